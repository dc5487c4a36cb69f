"""One process at a time works in a run's directory."""

import contextlib
import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, Timeout

from dlpipe.errors import DlpipeError
from dlpipe.operating_system import kernel_lock
from dlpipe.runs.directory import write_json

log = logging.getLogger(__name__)
LOCK = ".lock"
PATIENCE = 0.5  # seconds: another process may only be looking, with `is_locked`
HOLDER = ".lock_holder"  # a file of its own: on Windows no other process can read a locked file


@contextlib.contextmanager
def run_directory_lock(directory: Path) -> Iterator[None]:
    """Lock the directory; the kernel releases the lock however this process ends, even if its workers still run.

    Where the file system has no locks, log a warning and go ahead without one.

    Raises:
        DlpipeError: another process holds the lock, and the message names it; or the lock file is a symlink.
    """
    lock = _acquire(directory)
    if lock:
        write_json(directory / HOLDER, {"pid": os.getpid(), "host": socket.gethostname()})
    try:
        yield
    finally:
        if lock:
            lock.release()


def is_locked(directory: Path) -> bool:
    """Whether a process works in the directory; False where the file system or the system has no locks."""
    if not (directory / LOCK).is_file():
        return False
    try:
        with kernel_lock(directory / LOCK):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _acquire(directory: Path) -> BaseFileLock | None:
    """The directory's lock, acquired; None where the file system or the system has no locks."""
    try:
        lock = kernel_lock(directory / LOCK)
        lock.acquire(timeout=PATIENCE, blocking=True)
    except Timeout as error:
        raise DlpipeError(f"{directory} is in use by {_holder(directory)}; wait for it, or end it") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            message = f"{directory / LOCK} is a symlink; refusing to follow it. Remove it and retry"
            raise DlpipeError(message) from error
        if error.filename is not None:  # the file could not be opened, which is another matter than locking it
            raise
        log.warning("%s cannot be locked (%s): make sure that no other process works there", directory, error)
        return None
    return lock


def _holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
