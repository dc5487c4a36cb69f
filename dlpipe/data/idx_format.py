"""The idx format, of MNIST and of many datasets after it: an array of unsigned bytes in a file."""

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
        DataError: the file is not idx, or is shorter or longer than it says.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == GZIP else raw
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    return array_in(np.frombuffer(data, np.uint8), path)


def map_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file that is not compressed, as a read-only memory map.

    Raises:
        DataError: the file is not idx, or is shorter or longer than it says.
    """
    try:
        content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:  # numpy maps no empty file
        raise unreadable(path, error) from error
    return array_in(content, path)


def array_in(content: NDArray[np.uint8], source: Path) -> NDArray[np.uint8]:
    """The array that the bytes of an idx file hold, sharing their memory.

    Args:
        content: all bytes of the file, decompressed, (bytes,).
        source: the file that messages name.

    Raises:
        DataError: the bytes are not idx, or fewer or more than their header says.
    """
    offset, shape = _header(source, content[:LONGEST_HEADER].tobytes(), len(content))
    return _shaped(source, content[offset:], shape)


def unreadable(path: Path, error: Exception) -> DataError:
    """What to say of a file that cannot be read."""
    return DataError(f"{path} cannot be read: {error}; remove it, and the next run takes a good copy")


def _header(path: Path, start: bytes, size: int) -> tuple[int, tuple[int, ...]]:
    """Where the values begin, and the dimensions, of a file that starts so and has so many bytes."""
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] != UNSIGNED_BYTE:
        message = start[:4].hex(" ") or "nothing"
        raise DataError(f"{path} is not an idx file of unsigned bytes: it begins with {message}")
    rank = start[3]
    header = 4 + 4 * rank
    shape = tuple(int(n) for n in np.frombuffer(start[4:header], ">u4")) if size >= header else ()
    expected = header + math.prod(shape)
    if len(shape) != rank or size != expected:
        raise DataError(
            f"{path} holds {size} bytes, its header of dimensions {shape} asks for {expected}: "
            "it is truncated or damaged; remove it, and the next run takes a good copy"
        )
    return header, shape


def _shaped(path: Path, values: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return values.reshape(shape)
    except ValueError as error:  # up to 255 dimensions of up to 2**32 - 1
        raise DataError(f"{path} has the dimensions {shape}, which no array can have: {error}") from error
