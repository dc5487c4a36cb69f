"""Report a full disk in one line."""

import contextlib
import errno
from collections.abc import Iterator

from dlpipe.errors import DlpipeError


@contextlib.contextmanager
def report_disk_full() -> Iterator[None]:
    """Replace the OSError of a full disk (ENOSPC, EDQUOT) by one line that says what to do.

    Raises:
        DlpipeError: naming the file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"{error.filename or 'a file'} could not be written: {error.strerror}"
        raise DlpipeError(f"{message}. Free some space, then run: python -m dlpipe resume RUN_DIR") from error
