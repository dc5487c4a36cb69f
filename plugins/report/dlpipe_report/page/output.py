"""Where a report is written: atomically, and never over a file that is no report."""

import os
from pathlib import Path

from dlpipe import DlpipeError
from dlpipe.atomic import atomic_write
from dlpipe_report.page.html import MARKER

NAME = "report.html"
HEAD = 200  # bytes in which the marker stands


def default_output(directory: Path | None) -> Path:
    """``report.html`` in a directory that can be written to, else in the working folder."""
    return directory / NAME if directory and os.access(directory, os.W_OK | os.X_OK) else Path(NAME)


def check_output(path: Path) -> None:
    """Refuse to replace a file that is no report.

    Raises:
        DlpipeError: it is none, or a folder.
    """
    if path.is_dir():
        raise DlpipeError(f"{path} is a folder; name a file with -o FILE")
    if path.exists() and not _is_report(path):
        raise DlpipeError(f"{path} exists and is not a report; name another file with -o FILE")


def write_report(path: Path, page: bytes) -> None:
    """Write a page, or replace an earlier report.

    Raises:
        DlpipeError: it cannot be written there.
    """
    check_output(path)
    try:
        with atomic_write(path) as temporary_path:
            temporary_path.write_bytes(page)
    except OSError as error:
        raise DlpipeError(f"{path} cannot be written: {error.strerror or error}; name another file with -o") from error


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return MARKER.encode() in file.read(HEAD)
