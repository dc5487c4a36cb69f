"""The idx format, of MNIST and many later datasets: a file with one array of unsigned bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpipe.errors import DataError

UNSIGNED_BYTE = 0x08
GZIP = b"\x1f\x8b"
LONGEST_HEADER = 4 + 4 * 255


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, compressed with gzip or not.

    The format: two zero bytes, the type (8), the number of dimensions, each dimension as a big-endian uint32,
    then the values in row-major order.

    Raises:
        DataError: the file cannot be read, is not idx, or is shorter or longer than its header says.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == GZIP else raw
    except (OSError, EOFError, zlib.error) as error:
        raise read_error(path, error) from error
    return parse_idx(np.frombuffer(data, np.uint8), path)


def map_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an uncompressed idx file, as a read-only memory map.

    Raises:
        DataError: the file cannot be read, is not idx, or is shorter or longer than its header says.
    """
    try:
        content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:  # numpy cannot map an empty file
        raise read_error(path, error) from error
    return parse_idx(content, path)


def parse_idx(content: NDArray[np.uint8], source: Path) -> NDArray[np.uint8]:
    """The array in the content of an idx file, sharing its memory.

    Args:
        content: all bytes of the file, decompressed, (bytes,).
        source: the file, for error messages.

    Raises:
        DataError: the content is not idx, or is shorter or longer than its header says.
    """
    offset, shape = _parse_header(source, content[:LONGEST_HEADER].tobytes(), len(content))
    try:
        return content[offset:].reshape(shape)
    except ValueError as error:  # up to 255 dimensions of up to 2**32 - 1
        raise DataError(f"{source} has the dimensions {shape}, which no array can have: {error}") from error


def read_error(path: Path, error: Exception) -> DataError:
    """The error to raise for a file that cannot be read."""
    return DataError(f"{path} cannot be read: {error}. Delete it; the next run downloads a good copy")


def _parse_header(path: Path, start: bytes, size: int) -> tuple[int, tuple[int, ...]]:
    """The offset of the values and the dimensions, from the first bytes and the size of a file."""
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] != UNSIGNED_BYTE:
        raise DataError(
            f"{path} is not an idx file of unsigned bytes: it begins with {start[:4].hex(' ') or 'nothing'}"
        )
    num_dimensions = start[3]
    offset = 4 + 4 * num_dimensions
    shape = tuple(int(n) for n in np.frombuffer(start[4:offset], ">u4")) if size >= offset else ()
    expected = offset + math.prod(shape)
    if len(shape) != num_dimensions or size != expected:
        raise DataError(
            f"{path} has {size} bytes, but the dimensions {shape} in its header require {expected}: "
            "it is truncated or damaged. Delete it; the next run downloads a good copy"
        )
    return offset, shape
