"""Arrays that take long to load, cached in an npz file."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlpipe.atomic import DAY, atomic_write, remove_leftovers

log = logging.getLogger(__name__)
METADATA = "metadata"  # name of the array with the JSON of: the file's name, the arrays' names, the metadata


class CacheEntry(NamedTuple):
    """Arrays by name, and metadata that JSON can represent."""

    arrays: dict[str, NDArray[Any]]
    metadata: Any


def cached(path: Path, load: Callable[[], CacheEntry]) -> CacheEntry:
    """Read the cache file ``path`` if an earlier run wrote it; otherwise call ``load`` and write its result there.

    A damaged file, or the cache file of another source under this name, is replaced. If the file cannot be written,
    every run calls ``load``.

    Args:
        path: a file in the folder that `dlpipe.data.cache_directory` returns. Its name contains the checksum of the
            source and a version of the format.
        load: loads the arrays from the source.
    """
    entry = _read(path)
    if entry is None:
        entry = load()
        _write(path, entry)
    return entry


def _read(path: Path) -> CacheEntry | None:
    """The content of a cache file; None if the file does not exist or is damaged.

    Zip compares the crc32 of each array, but an array missing from a damaged archive directory goes unnoticed.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        name, names, metadata = json.loads(arrays.pop(METADATA).tobytes())
        if (name, names) != (path.name, sorted(arrays)):
            raise ValueError(f"it is {name} with the arrays {', '.join(names)}")
        return CacheEntry(arrays, metadata)
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged file may raise anything
        log.info("cache file %s is damaged and will be replaced: %s", path, error)
        return None


def _write(path: Path, entry: CacheEntry) -> None:
    content = json.dumps([path.name, sorted(entry.arrays), entry.metadata])
    metadata = np.frombuffer(content.encode(), np.uint8)
    try:
        with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
            np.savez_compressed(file, **{METADATA: metadata}, **entry.arrays)  # type: ignore[arg-type]  # numpy's stub
        remove_leftovers(path.parent.iterdir(), older_than=DAY)
    except OSError as error:
        log.info("cannot write cache %s (%s); the data will be re-read on every run", path, error)
