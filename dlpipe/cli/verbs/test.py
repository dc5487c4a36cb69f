"""Test the best weights of a finished run again."""

import argparse
from typing import TYPE_CHECKING

from dlpipe.cli.verb_parser import VerbParser, add_run
from dlpipe.metrics import equal_or_nan, format_metric, format_value
from dlpipe.runs.directory import read_finished

if TYPE_CHECKING:
    from dlpipe.config.stored_run import StoredRun


def add_arguments(parser: VerbParser) -> None:
    """RUN."""
    add_run(parser)


def main(arguments: argparse.Namespace) -> int:
    """Print every test metric beside the run's own; exit code 1 if one differs.

    Raises:
        DlpipeError: the folder is not a run's, or its data is missing.
    """
    from dlpipe.cli.run_errors import open_stored_run

    with open_stored_run(arguments.run) as run:
        before, now = recorded_test(run), tested(run)
    for name, value in now.items():
        is_same = name in before and equal_or_nan(before[name], value)
        print(f"{format_metric(name, value)}: {'as the run' if is_same else f'the run had {_recorded(name, before)}'}")
    return 0 if before.keys() == now.keys() and all(equal_or_nan(before[name], now[name]) for name in now) else 1


def tested(run: "StoredRun") -> dict[str, float]:
    """The test metrics of the best weights."""
    from dlpipe.training.quiet import quiet_lightning

    with quiet_lightning():
        (results,) = run.trainer.test(run.model, datamodule=run.data(), verbose=False)
    return {name: float(value) for name, value in results.items()}


def recorded_test(run: "StoredRun") -> dict[str, float]:
    """The test metrics in the run's summary.

    Raises:
        DlpipeError: the run is not finished.
    """
    return {str(name): float(value) for name, value in read_finished(run.directory)["test"].items()}


def _recorded(name: str, before: dict[str, float]) -> str:
    return format_value(name, before[name]) if name in before else "none"
