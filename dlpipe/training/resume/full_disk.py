"""A disk that is full, told as such."""

import contextlib
import errno
from collections.abc import Iterator

from dlpipe.errors import DlpipeError


@contextlib.contextmanager
def report_disk_full() -> Iterator[None]:
    """Turn the error of a full disk into one line that says what to do.

    Raises:
        DlpipeError: in its place.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"{error.filename or 'a file'} could not be written: {error.strerror}"
        raise DlpipeError(f"{message}. Make room, then go on with: python -m dlpipe resume RUN_DIR") from error
