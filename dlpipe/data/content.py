"""Files by their content: decompressed by their first bytes, and read within a bound."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

from dlpipe.errors import DataError

SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
# what reading a damaged, truncated or encrypted file raises
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def open_content(path: Path, mode: Literal["rb"] = "rb") -> IO[bytes]:
    """Open a file, decompressed if its first bytes are those of gzip, bzip2, xz, or a zip archive of one file.

    Raises:
        DataError: a zip archive has no file, or several.
    """
    file: IO[bytes] = _OPENERS.get(compression(path), Path.open)(path, mode)
    return file


def compression(path: Path) -> str:
    """The name of the compression that a file's first bytes show; empty if it is not compressed."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((name for signature, name in _SIGNATURES.items() if start.startswith(signature)), "")


def plain_name(name: str) -> str:
    """A file's name without the suffix of a compression, and with ``-`` for ``.``, which 7-Zip writes."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)].replace(".", "-")


class BoundedReader(io.RawIOBase):
    """A file that raises a DataError, which names ``source``, when more than ``limit`` bytes are read from it."""

    def __init__(self, file: IO[bytes], source: object, limit: int) -> None:
        super().__init__()
        self._file, self._source, self._limit, self._size = file, source, limit, 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; the number of bytes read."""
        count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]  # IO lacks a method that all files have
        self._size += count
        if self._size > self._limit:
            raise DataError(f"{self._source} has more than {self._limit} bytes, which is the memory that is available")
        return count


def _open_zip(path: Path, mode: str) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        found = f"{len(names)} files ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
        raise DataError(f"{path} is a zip archive of {found}; expected one: unpack it, and keep the file that is meant")
    try:
        return archive.open(names[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: its member {names[0]} cannot be read: {error}") from error


_SIGNATURES = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\3\4": "zip"}
_OPENERS: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open, "zip": _open_zip}
