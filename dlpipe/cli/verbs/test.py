"""Test the best weights of a finished run again."""

import argparse

from dlpipe.cli.run_errors import open_stored_run
from dlpipe.errors import DlpipeError
from dlpipe.metrics import equal_or_nan, format_metric, format_value
from dlpipe.runs.directory import read_finished
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.test_best import reason_not_testable


def main(arguments: argparse.Namespace) -> int:
    """Print every test metric beside the run's own; exit code 1 if one differs."""
    with open_stored_run(arguments.run) as run:
        recorded = {str(name): float(value) for name, value in read_finished(run.directory)["test"].items()}
        data = run.data()
        if reason := reason_not_testable(run.model, data):
            raise DlpipeError(f"{run.directory} cannot be tested: {reason}")
        with quiet_lightning():
            (results,) = run.trainer.test(run.model, datamodule=data, verbose=False)
    same = set()
    for name, value in results.items():
        if name in recorded and equal_or_nan(recorded[name], float(value)):
            same.add(name)
        before = format_value(name, recorded[name]) if name in recorded else "none"
        print(f"{format_metric(name, value)}: {'as the run' if name in same else f'the run had {before}'}")
    return 0 if same == recorded.keys() == results.keys() else 1
