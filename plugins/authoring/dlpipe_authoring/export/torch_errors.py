"""Errors of torch, of onnxruntime and of a model's own code, in one line."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from dlpipe import DlpipeError


@contextlib.contextmanager
def one_line_errors(what: str, advice: str = "") -> Iterator[None]:
    """Silence warnings and prints, and raise any exception as a DlpipeError with the first line of its message.

    Args:
        what: has failed, the beginning of the message.
        advice: the end of the message.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # torch's exporter warns of every library that it could support
    try:
        # torch prints the graph so far before it raises
        silent = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            warnings.simplefilter("ignore")
            yield
    except DlpipeError:
        raise
    except Exception as error:
        raise DlpipeError(f"{what}: {_first_line(error)}{advice and f'; {advice}'}") from error
    finally:
        logging.disable(before)


def _first_line(error: BaseException) -> str:
    """The first line of the error that caused this one; torch.onnx wraps it in a page of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
