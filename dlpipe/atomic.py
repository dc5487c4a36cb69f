"""Atomic file writes: a reader sees a whole file or none."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlpipe.operating_system import hard_link, sync_path

# digits alone: process ids, in run directories of earlier versions
TEMPORARY_NAME = re.compile(r"\..+\.([0-9a-f]{16}|\d+)\.tmp")
DAY = 24 * 60 * 60.0  # seconds


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder to write to; at the end, flush it to disk and rename it to ``path``.

    A reader sees the old file or the new one; an error or a kill leaves the old one. If several processes write the
    same file at once, on one host or several, all succeed and the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path) as temporary_path:
        yield temporary_path
        give_default_mode(temporary_path)
        sync_path(temporary_path)
        temporary_path.replace(path)
        sync_path(path.parent)


def link_or_copy(path: Path, other: Path) -> None:
    """Replace ``other`` by a hard link to ``path``, or by a copy if the file system has no hard links.

    A later `atomic_write` to ``path`` does not change ``other``.
    """
    if other.exists() and path.samefile(other):  # an earlier process was killed after linking
        return
    with _temporary(other) as temporary_path:
        if not hard_link(path, temporary_path):
            shutil.copyfile(path, temporary_path)
            sync_path(temporary_path)
        temporary_path.replace(other)


def create_exclusive(path: Path, text: str) -> None:
    """Write a new file, completely or not at all; a FileExistsError if there is one."""
    with _temporary(path) as temporary_path:
        temporary_path.write_text(text, encoding="utf-8")
        sync_path(temporary_path)
        if not hard_link(temporary_path, path):
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            sync_path(path)
        sync_path(path.parent)


def give_default_mode(path: Path) -> None:
    """Give a file the mode that ``open`` gives a new one in its folder: safetensors and pooch allow only its owner."""
    with _temporary(path) as probe:  # the only way to ask for the umask is to set it, which other threads would notice
        probe.touch()
        mode = probe.stat().st_mode
    if path.stat().st_mode != mode:
        with contextlib.suppress(OSError):  # the file is another user's, or the file system has no modes
            path.chmod(mode)


def check_space(folder: Path, size: int, num_files: int = 1) -> None:
    """Create files without a name, write ``size`` bytes to the first, and discard them.

    Raises:
        OSError: the folder has no space for them: a file system, or a quota, also limits the number of files.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(num_files)]
        files[0].write(bytes(size))
    if not os.access(folder, os.W_OK | os.X_OK):  # a network file system may know that other files are refused
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def remove_leftovers(paths: Iterable[Path], older_than: float = 0) -> None:
    """Delete the temporary files among ``paths``, which killed processes left; skip one that cannot be deleted.

    ``older_than`` is in seconds since the last write; pass `DAY` if another process may be writing now.
    """
    for path in list(paths):
        with contextlib.suppress(OSError):
            if TEMPORARY_NAME.fullmatch(path.name) and time.time() - path.lstat().st_mtime >= older_than:
                path.unlink()


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A path in the same folder with a random name, since threads, containers and hosts may share a process id."""
    temporary_path = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary_path
    finally:
        temporary_path.unlink(missing_ok=True)
