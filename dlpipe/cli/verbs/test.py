"""``test RUN``: the test of a finished run's best weights, once more."""

from dlpipe.cli.verbs.opened import opened
from dlpipe.config.stored_run import StoredRun
from dlpipe.metrics import equal_or_nan, format_metric, format_value
from dlpipe.runs.directory import read_finished
from dlpipe.training.quiet import quiet_lightning


def main(run_dir: str) -> int:
    """Print every test metric beside what the run itself had; exit code 1 where one differs.

    Raises:
        DlpipeError: the folder is no run's, or its data is gone.
    """
    with opened(run_dir) as run:
        before, now = recorded_test(run), tested(run)
    for name, value in now.items():
        is_same = name in before and equal_or_nan(before[name], value)
        print(f"{format_metric(name, value)}: {'as the run' if is_same else f'the run had {_recorded(name, before)}'}")
    return 0 if before.keys() == now.keys() and all(equal_or_nan(before[name], now[name]) for name in now) else 1


def tested(run: StoredRun) -> dict[str, float]:
    """The test metrics of the best weights."""
    with quiet_lightning():
        (results,) = run.trainer.test(run.model, datamodule=run.data(), verbose=False)
    return {name: float(value) for name, value in results.items()}


def recorded_test(run: StoredRun) -> dict[str, float]:
    """What the run's own test gave.

    Raises:
        DlpipeError: the run did not get as far.
    """
    return {str(name): float(value) for name, value in read_finished(run.directory)["test"].items()}


def _recorded(name: str, before: dict[str, float]) -> str:
    return format_value(name, before[name]) if name in before else "none"
