"""Open a finished run for a verb, and report what its own code raises in one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from dlpipe.config.stored_run import StoredRun, open_run
from dlpipe.errors import DataError, DlpipeError, system_errors_in_one_line
from dlpipe.runs.config_file import read_config
from dlpipe.training.error_report import one_line, user_frames


@contextlib.contextmanager
def open_stored_run(run_dir: str) -> Iterator[StoredRun]:
    """Open a run with its best weights; raises as `open_run` and `one_line_errors` do."""
    with one_line_errors(run_dir):
        yield open_run(run_dir)


@contextlib.contextmanager
def one_line_errors(run_dir: str | Path) -> Iterator[None]:
    """Replace an exception of a run's own code by a DlpipeError of one line.

    The run may have been trained with a config that differs from the one that is there now.
    """
    try:
        with system_errors_in_one_line():
            yield
    except DataError as error:
        raise DlpipeError(f"{run_dir} cannot be used here: {error}") from error
    except (DlpipeError, BrokenPipeError):  # the second: the reader of the verb's output has gone
        raise
    except Exception as error:
        config = _config(run_dir)
        is_users = user_frames(error, config)
        whose = "Its model has an error" if is_users else "The error is not in the code of its model or dataset"
        what = f"{one_line(error, config)}. {whose}, or its config or checkpoint has been changed"
        raise DlpipeError(f"{run_dir} does not work: {what}") from error


def _config(run_dir: str | Path) -> DictConfig:
    try:
        return read_config(Path(run_dir))
    except DlpipeError:  # what failed may be what reads it
        return DictConfig({})
