"""Open a finished run for a verb, and report what its own code raises in one line."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from dlpipe.config.stored_run import StoredRun, open_run
from dlpipe.errors import DataError, DlpipeError, system_errors_in_one_line


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
        raise DlpipeError(one_line_error(run_dir, error)) from error


def one_line_error(run_dir: str | Path, error: Exception) -> str:
    """Describe an exception in one line, with the last line of the user's or the plugin's code in its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    not_installed = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    last = not_installed[-1]
    what = f"{type(error).__name__}: {' '.join(str(error).split())} ({last.filename}, line {last.lineno})"
    return f"{run_dir} does not work: {what}. Its model has an error, or its config or checkpoint has been changed"
