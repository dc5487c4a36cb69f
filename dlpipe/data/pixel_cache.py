"""Pictures as bytes, decoded once into the user's cache and memory-mapped from there."""

import json
import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dlpipe.atomic import DAY, atomic_write, remove_leftovers
from dlpipe.data.available_memory import available_bytes
from dlpipe.errors import DataError

log = logging.getLogger(__name__)
# bytes at the end of a cache file: length of the metadata before them, crc32 of everything before
SEAL = 8 + 4
Block: TypeAlias = NDArray[np.uint8]  # (examples, features)


class CachedPixels(NamedTuple):
    """Bytes of examples (examples, features), read-only, and metadata that JSON can represent."""

    pixels: NDArray[np.uint8]
    metadata: Any


def cached_pixels(path: Path, num_features: int, load: Callable[[Callable[[Block], object]], Any]) -> CachedPixels:
    """Map the cache file ``path`` if an earlier run wrote it; otherwise call ``load`` and write its result there.

    A damaged file is replaced. If the file cannot be written, every run calls ``load``, and the bytes are in memory.

    Args:
        path: a file in the folder that `dlpipe.data.cache_directory` returns. Its name contains all that determines its
            content, and a version of the format.
        num_features: bytes of an example.
        load: is given a function to call for each block of examples, in order; returns the metadata. It reports a
            source that cannot be read as a DataError: an OSError would be blamed on the cache.

    Raises:
        DataError: from ``load``; or the file cannot be written and memory does not suffice.
    """
    if (found := _map_sealed(path, num_features)) is not None:
        return found
    try:
        with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
            _write(file, load)
        remove_leftovers(path.parent.iterdir(), older_than=DAY)
        if (found := _map_sealed(path, num_features)) is not None:
            return found
        raise OSError("damaged right after it was written")
    except OSError as error:
        log.info("cannot write cache %s (%s); the data will be re-read on every run", path, error)
    return _in_memory(path, num_features, load)


def _write(file: IO[bytes], load: Callable[[Callable[[Block], object]], Any]) -> None:
    crc = 0

    def write(content: bytes) -> None:
        nonlocal crc
        crc = zlib.crc32(content, crc)
        file.write(content)

    metadata = json.dumps(load(lambda block: write(np.ascontiguousarray(block).tobytes()))).encode()
    write(metadata)
    write(len(metadata).to_bytes(8, "big"))
    file.write(crc.to_bytes(4, "big"))


def _map_sealed(path: Path, num_features: int) -> CachedPixels | None:
    """The content of a cache file; None if it does not exist or is damaged."""
    try:
        content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError):  # numpy cannot map an empty file
        return None
    crc, size = content[-4:].tobytes(), int.from_bytes(content[-SEAL:-4].tobytes(), "big")
    if zlib.crc32(content[:-4]).to_bytes(4, "big") != crc:  # type: ignore[arg-type]  # an array is a buffer
        log.info("cache file %s is damaged and will be replaced", path)
        return None
    end = len(content) - SEAL - size
    return CachedPixels(content[:end].reshape(-1, num_features), json.loads(content[end:-SEAL].tobytes()))


def _in_memory(path: Path, num_features: int, load: Callable[[Callable[[Block], object]], Any]) -> CachedPixels:
    blocks: list[Block] = []
    budget, size = available_bytes() // 2, 0

    def add(block: Block) -> None:
        nonlocal size
        size += block.nbytes
        if size > budget:
            raise DataError(f"the pictures need more than {budget} bytes of memory, and {path} cannot be written")
        blocks.append(np.array(block))

    metadata = load(add)
    return CachedPixels(np.concatenate([*blocks, np.empty((0, num_features), np.uint8)]), metadata)
