"""A run's directory as the verbs open it: its config is judged first, and what its code raises is told in a line."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from dlpipe.config.stored_run import FinishedRun, open_run
from dlpipe.errors import DataError, DlpipeError


@contextlib.contextmanager
def opened(run_dir: str) -> Iterator[FinishedRun]:
    """A run with its best weights.

    Raises:
        DlpipeError: as `open_run`; or the code of its model or dataset raises something.
    """
    with one_line_errors(run_dir):
        yield open_run(run_dir)


@contextlib.contextmanager
def one_line_errors(run_dir: str | Path) -> Iterator[None]:
    """Tell what a run's code raises, which may have been trained under another config than is there now.

    Raises:
        DlpipeError: it does.
    """
    try:
        yield
    except DataError as error:
        raise DlpipeError(f"{run_dir} cannot be used here: {error}") from error
    except DlpipeError:
        raise
    except Exception as error:
        raise DlpipeError(one_line_error(run_dir, error)) from error


def one_line_error(run_dir: str | Path, error: Exception) -> str:
    """An exception in a line, with the place in somebody's own code that it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    what = f"{type(error).__name__}: {' '.join(str(error).split())} ({own[-1].filename}, line {own[-1].lineno})"
    return f"{run_dir} does not work: {what}. Its model has an error, or its config or checkpoint has been changed"
