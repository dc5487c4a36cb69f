"""Open a finished run for a verb, and report what its own code raises in one line."""

import contextlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from dlpipe.config.checks.one_batch import LIBRARIES
from dlpipe.config.stored_run import StoredRun, open_run
from dlpipe.errors import DataError, DlpipeError, system_errors_in_one_line
from dlpipe.plugins import registry

SITE = "site-packages"


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
    """Describe an exception in one line, with the last line of the plugin's code in its traceback, if there is one."""
    frames = [
        (str(frame.f_globals.get("__name__")).partition(".")[0], frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    plugins = {entry.package for entry in registry.all_entries()} - LIBRARIES
    others = [frame for frame in frames if frame[0] not in LIBRARIES | sys.stdlib_module_names]
    own = [frame for frame in frames if frame[0] in plugins] or [frame for frame in others if SITE not in frame[1]]
    _, file, line = (own or frames)[-1]
    whose = "Its model has an error" if own else "The error is not in the code of its model or dataset"
    what = f"{type(error).__name__}: {' '.join(str(error).split())} ({file}, line {line})"
    return f"{run_dir} does not work: {what}. {whose}, or its config or checkpoint has been changed"
