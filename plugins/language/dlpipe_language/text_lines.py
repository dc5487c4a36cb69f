"""Lines of text files that are UTF-8, and what to do with the ones that cannot be used."""

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from dlpipe import DataError
from dlpipe.data import READ_ERRORS, open_content

OnBad = Literal["stop", "skip"]
MAX_REASONS = 5  # in a message


def read_content(path: Path) -> bytes:
    """The bytes of a file, decompressed if it is compressed.

    Raises:
        DataError: it does not exist, is empty or damaged, or must not be read.
    """
    try:
        with open_content(path) as file:
            content = file.read()
    except READ_ERRORS as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not content:
        raise DataError(f"{path} is empty (0 bytes)")
    return content


def numbered_lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each line with its number from 1, without a byte order mark and the line ends of Windows."""
    yield from enumerate(content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").split(b"\n"), 1)


def decode(line: bytes) -> str:
    """A line's text.

    Raises:
        ValueError: it is not UTF-8, or has a NUL byte, as text does not.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} is 0x{line[error.start]:02X}, which is not UTF-8"
        raise ValueError(f"{message}: convert the file, for example with iconv -f WINDOWS-1252 -t UTF-8") from error
    if "\0" in text:
        raise ValueError(f"byte {line.index(0) + 1} is NUL, as in no text: convert the file to UTF-8")
    return text


def refuse_or_skip(
    bad: Mapping[str, str], total: int, what: str, source: Path, option: str, action: OnBad
) -> list[str]:
    """Stop at what cannot be used, or return a line that counts what is left out; no line if nothing is.

    Args:
        bad: the reason for each bad line or file, by its place.
        total: lines or files, the good ones included.
        what: the name of these, such as ``texts``.
        source: the file or folder.
        option: of the dataset, that decides.
        action: its value.

    Raises:
        DataError: nothing is good, or something is bad and ``action`` is ``stop``.
    """
    if not bad:
        return []
    reasons = "; ".join(f"{place}: {reason}" for place, reason in list(bad.items())[:MAX_REASONS])
    more = f"; and {len(bad) - MAX_REASONS} more" if len(bad) > MAX_REASONS else ""
    count = f"{len(bad)} of {total} {what} in {source} cannot be used"
    if action == "stop" or len(bad) == total:
        advice = f", or leave them out with dataset.{option}=skip" if len(bad) < total else ""
        raise DataError(f"{count}: {reasons}{more}. Correct them{advice}")
    return [f"{count} and are left out: {reasons}{more}"]
