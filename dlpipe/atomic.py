"""Writing a file so that no interruption leaves half of it."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; what is there at the end is flushed to the disk and takes its place.

    A reader sees the old file or the new one; an error or a kill leaves the old one.
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
    beside.unlink(missing_ok=True)
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


def remove_leftovers(folder: Path) -> None:
    """Delete what this file's functions were writing when their process was killed, at any depth."""
    for path in list(folder.rglob(".*.tmp")):
        if re.fullmatch(r"\..+\.\d+\.tmp", path.name):
            path.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """This process's name for what is to take the place of ``path``; `remove_leftovers` knows it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
