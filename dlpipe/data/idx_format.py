"""The idx format, of MNIST and many later datasets: a file with one array of unsigned bytes."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpipe.data.available_memory import available_bytes
from dlpipe.data.content import READ_ERRORS, compression, open_content
from dlpipe.errors import DataError, check_size

UNSIGNED_BYTE = 0x08
LONGEST_HEADER = 4 + 4 * 255
BLOCK = 2**20
GOOD_COPY = "Delete it and take a good copy; what dlpipe downloads comes again with the next run"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, compressed or not.

    The format: two zero bytes, the type (8), the number of dimensions, each dimension as a big-endian uint32,
    then the values in row-major order.

    Raises:
        DataError: the file cannot be read, is not idx, is shorter or longer than its header says, or exceeds the
            available memory.
    """
    plain = map_idx(path)
    if plain is not None:
        return plain
    blocks = idx_blocks(path)
    header = next(blocks)
    check_size(path, _declared_size(path, header)[0], available_bytes(), "the available memory is")
    return parse_idx(np.frombuffer(b"".join([header, *blocks]), np.uint8), path)


def idx_blocks(path: Path) -> Iterator[bytes]:
    """The decompressed header, then the values in blocks: at most one byte more is read than the header declares.

    Raises:
        DataError: as for `read_idx`; an OSError would blame the file that the blocks are written to.
    """
    try:
        with open_content(path) as file:
            header = file.read(4)
            header += file.read(4 * header[3]) if _is_idx(header) else b""
            size, shape = _declared_size(path, header)
            yield header
            missing = size - len(header)
            while block := file.read(min(BLOCK, missing + 1)):
                missing -= len(block)
                if missing < 0:
                    raise _wrong_size(path, f"{size + 1} bytes, or more", shape, size)
                yield block
            if missing:
                raise _wrong_size(path, f"{size - missing} bytes", shape, size)
    except READ_ERRORS as error:
        raise read_error(path, error) from error


def idx_shape(path: Path) -> tuple[int, ...] | None:
    """The dimensions in the header of an idx file, compressed or not; None if it does not begin as one.

    Raises:
        DataError: the file cannot be read, or ends within the header.
    """
    try:
        with open_content(path) as file:
            start = file.read(4)
            return _declared_size(path, start + file.read(4 * start[3]))[1] if _is_idx(start) else None
    except READ_ERRORS as error:
        raise read_error(path, error) from error


def map_idx(path: Path) -> NDArray[np.uint8] | None:
    """The array in an idx file, as a read-only memory map; None if the file is compressed. Raises as `read_idx`."""
    try:
        if compression(path):
            return None
        content = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    except (OSError, ValueError) as error:
        raise read_error(path, error) from error
    return parse_idx(content, path)


def parse_idx(content: NDArray[np.uint8], source: Path) -> NDArray[np.uint8]:
    """The array in the decompressed content (bytes,) of an idx file, sharing its memory. Raises as `read_idx`."""
    size, shape = _declared_size(source, content[:LONGEST_HEADER].tobytes())
    if size != len(content):
        raise _wrong_size(source, f"{len(content)} bytes", shape, size)
    try:
        return content[4 + 4 * len(shape) :].reshape(shape)
    except ValueError as error:  # up to 255 dimensions of up to 2**32 - 1
        raise DataError(f"{source} has the dimensions {shape}, which no array can have: {error}") from error


def read_error(path: Path, error: Exception) -> DataError:
    """The error to raise for a file that cannot be read."""
    return DataError(f"{path} cannot be read: {error}. {GOOD_COPY}")


def _is_idx(start: bytes) -> bool:
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] == UNSIGNED_BYTE


def _declared_size(path: Path, start: bytes) -> tuple[int, tuple[int, ...]]:
    """The size of the decompressed file and the dimensions, by its header; ``start`` has all of the header."""
    if not _is_idx(start):
        raise DataError(
            f"{path} is not an idx file of unsigned bytes: it begins with {start[:4].hex(' ') or 'nothing'}"
        )
    num_dimensions = start[3]
    offset = 4 + 4 * num_dimensions
    if len(start) < offset:
        raise _wrong_size(path, f"{len(start)} bytes", (), offset)
    shape = tuple(int(n) for n in np.frombuffer(start[4:offset], ">u4"))
    return offset + math.prod(shape), shape


def _wrong_size(path: Path, found: str, shape: tuple[int, ...], expected: int) -> DataError:
    return DataError(
        f"{path} has {found}, but the dimensions {shape} in its header require {expected}: "
        f"it is truncated or damaged. {GOOD_COPY}"
    )
