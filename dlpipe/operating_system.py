"""What only some operating systems, file systems and users have, and what is done without it.

No other file of the core uses these functions of the standard library: `tests/test_operating_system.py` has the list.
"""

import contextlib
import ctypes
import errno
import getpass
import os
import platform
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # filelock's own, where the system has no locks
    from filelock import BaseFileLock, FileLock, has_fcntl

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NO_HOME = os.devnull  # as a folder: nothing is in it, and nothing can be created there
# fsync where the file system does not have it; a folder can also be closed to reading, and cannot be opened on Windows
NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
NO_FSYNC_OF_FOLDERS = (*NO_FSYNC, errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR)


def identify_user() -> None:
    """Set HOME and USER for a user unknown to the system, as in many containers: libraries raise errors without them.

    HOME becomes `NO_HOME`: no file exists there, and writing there raises an OSError.
    """
    if not os.path.isabs(os.path.expanduser("~")):
        os.environ["HOME"] = NO_HOME
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["USER"] = "unknown"


def user_cache() -> Path:
    """dlpipe's folder in the user's cache; a folder that cannot be created if the user has no home directory."""
    identify_user()
    return user_cache_path("dlpipe")


def has_no_home(folder: Path) -> bool:
    """Whether this folder is in the home directory of a user who has none."""
    return folder.is_relative_to(NO_HOME)


def expand_user(path: str | Path) -> Path:
    """A path with its ``~`` replaced by the home directory, if there is one."""
    return Path(os.path.expanduser(path))  # pathlib's method raises an exception where there is none


def usable_cores() -> int:
    """The number of CPU cores that this process may use; Linux alone can allow it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the process ``parent`` dies for any reason (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call
            os.kill(os.getpid(), signal.SIGKILL)


def existing_signals(*names: str) -> tuple[signal.Signals, ...]:
    """The signals with these names that the system has; Windows lacks SIGHUP, SIGQUIT and SIGUSR1."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


def start_alarm(seconds: int) -> Any:
    """Raise KeyboardInterrupt in the main thread after so many seconds, unless `stop_alarm` is called before.

    Returns:
        What `stop_alarm` takes; None on Windows, which has no alarm.
    """
    if not hasattr(signal, "alarm"):
        return None
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(seconds)
    return before


def stop_alarm(before: Any) -> None:
    """Stop what `start_alarm` started, and restore the handler that it returned."""
    if hasattr(signal, "alarm"):
        signal.alarm(0)
        if before is not None:
            signal.signal(signal.SIGALRM, before)


def kernel_lock(path: Path) -> BaseFileLock:
    """A lock, not yet acquired, that the kernel releases however its process ends.

    Raises:
        OSError: the system has no such lock.
    """
    if not has_fcntl and sys.platform != "win32":
        raise OSError("the system has no file locks")
    # filelock's own substitute for missing locks, a file that exists, would outlive a killed process
    return FileLock(path, blocking=False, fallback_to_soft=False)


def hard_link(path: Path, other: Path) -> bool:
    """Create ``other`` as a hard link to ``path``; False if the file system or the system has no hard links.

    Raises:
        FileExistsError: ``other`` exists.
    """
    try:
        os.link(path, other)
    except FileExistsError:
        raise
    except (OSError, AttributeError):
        return False
    return True


def sync_path(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to the disk, where the file system can do that."""
    is_folder = path.is_dir()
    try:
        # Windows flushes only a file that is open for writing
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" and not is_folder else os.O_RDONLY)
        try:
            sync_descriptor(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in NO_FSYNC_OF_FOLDERS:
            raise


def sync_descriptor(descriptor: int) -> None:
    """Flush an open file to the disk, where the file system can do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise


@contextlib.contextmanager
def interrupts_blocked_in_children() -> Iterator[None]:
    """Block SIGINT in the processes that this thread starts meanwhile, until they call `unblock_interrupts`.

    Python shows a traceback for a signal that arrives while a process starts.

    This process still receives it: a thread that does not block it waits for it, and Python calls the handler in the
    main thread as always.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    done = threading.Event()
    receiver = threading.Thread(target=done.wait, daemon=True)
    receiver.start()  # it inherits the mask of now
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        done.set()
        receiver.join()


def unblock_interrupts() -> None:
    """Receive SIGINT from now on, also one that has arrived since this process was started."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has this id; True where the system cannot be asked without ending it."""
    if pid <= 0 or sys.platform == "win32":
        return pid > 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
