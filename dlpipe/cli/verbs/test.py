"""Test the best weights of a finished run again."""

import argparse
import math

import torch

from dlpipe.cli.run_errors import open_stored_run
from dlpipe.errors import DlpipeError
from dlpipe.metrics import equal_or_nan, format_metric, format_value
from dlpipe.runs.directory import read_finished, read_provenance
from dlpipe.runs.provenance import differences, libraries, machine
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.test_best import reason_not_testable

# of metrics on another device, in another precision or with other libraries; one example more or less wrong is allowed
REL_TOLERANCE, ABS_TOLERANCE = 0.01, 0.005


def main(arguments: argparse.Namespace) -> int:
    """Print every test metric beside the run's own; exit code 1 if one differs.

    On the run's machine with the run's libraries the numbers must be equal to the last bit, elsewhere close.
    """
    with open_stored_run(arguments.run) as run:
        recorded = {str(name): float(value) for name, value in read_finished(run.directory)["test"].items()}
        data = run.data()
        if reason := reason_not_testable(run.model, data):
            raise DlpipeError(f"{run.directory} cannot be tested: {reason}")
        with quiet_lightning():
            (results,) = run.trainer.test(run.model, datamodule=data, verbose=False)
        here = {"machine": machine(torch.get_num_threads()), "libraries": libraries()}
        elsewhere = differences(read_provenance(run.directory), here)
    for difference in elsewhere:
        print(f"{difference}: the numbers may differ")
    same = set()
    for name, value in results.items():
        if name in recorded and equal_or_nan(recorded[name], float(value)):
            same.add(name)
        before = format_value(name, recorded[name]) if name in recorded else "none"
        print(f"{format_metric(name, value)}: {'as the run' if name in same else f'the run had {before}'}")
    if elsewhere and recorded.keys() == results.keys():
        return 0 if all(_close(recorded[name], float(value)) for name, value in results.items()) else 1
    return 0 if same == recorded.keys() == results.keys() else 1


def _close(before: float, now: float) -> bool:
    return equal_or_nan(before, now) or math.isclose(before, now, rel_tol=REL_TOLERANCE, abs_tol=ABS_TOLERANCE)
