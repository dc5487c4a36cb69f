"""One process at a time works in a run's directory."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from dlpipe.errors import DlpipeError

log = logging.getLogger(__name__)
LOCK = ".lock"


@contextlib.contextmanager
def run_directory_lock(directory: Path) -> Iterator[None]:
    """Hold the directory; the kernel lets go of it however this process ends.

    Raises:
        DlpipeError: another process holds it, which is named.
    """
    with _open(directory / LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                log.warning("%s cannot be locked (%s): take care that no other process works there", directory, error)
                yield
                return
            file.seek(0)
            raise DlpipeError(f"{directory} is in use by {_message(file.read())}; wait for it, or end it") from error
        os.register_at_fork(after_in_child=file.close)  # or a DataLoader's workers would go on holding it
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        yield


def _open(path: Path) -> TextIO:
    """The file, made where there is none; what is a link is not followed, as what it leads to would be overwritten.

    Raises:
        DlpipeError: it is a link.
    """
    try:
        return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666), "a+", encoding="utf-8")
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise DlpipeError(f"{path} is a link, which a run does not make; remove it") from error


def _message(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
