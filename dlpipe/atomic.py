"""Writing a file so that no interruption leaves half of it."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

TEMPORARY_NAME = re.compile(r"\..+\.([0-9a-f]{16}|\d+)\.tmp")
DAY = 24 * 60 * 60.0  # seconds


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; what is there at the end is flushed to the disk and takes its place.

    A reader sees the old file or the new one; an error or a kill leaves the old one. Of several processes that write it
    at once, on whatever hosts, each succeeds, and the last one's file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    try:
        yield beside
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def keep_also_as(path: Path, other: Path) -> None:
    """Give a file a second name, in place of what has that name; what replaces the first leaves the second as it is."""
    if other.exists() and path.samefile(other):  # of a process that was killed before it replaced the first
        return
    beside = _beside(other)
    try:
        try:
            os.link(path, beside)
        except OSError:  # a file system without such links
            shutil.copyfile(path, beside)
            _sync(beside)
        beside.replace(other)
    finally:
        beside.unlink(missing_ok=True)


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, all of it or nothing.

    Raises:
        FileExistsError: it is there.
    """
    beside = _beside(path)
    try:
        beside.write_text(text, encoding="utf-8")
        _sync(beside)
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without such links
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            _sync(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def remove_leftovers(paths: Iterable[Path], older_than: float = 0) -> None:
    """Delete the temporary files that a killed process left; a file that cannot be deleted stays.

    Args:
        paths: files and folders to look through, by name alone.
        older_than: seconds since the last write. Take `DAY` where another process may be writing now.
    """
    for path in list(paths):
        with contextlib.suppress(OSError):
            if TEMPORARY_NAME.fullmatch(path.name) and time.time() - path.lstat().st_mtime >= older_than:
                path.unlink()


def _beside(path: Path) -> Path:
    """A name that no other writer takes: process numbers are shared by threads, containers and hosts."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def _sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
