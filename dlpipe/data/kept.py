"""What takes long to read, kept in the user's cache once it has been read."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlpipe.atomic import DAY, remove_leftovers, replacing

log = logging.getLogger(__name__)
TOLD = "told"  # the name of the array that has the JSON: the names of the entry and its arrays, and what is told


class Kept(NamedTuple):
    """Arrays by their names, and what JSON can hold."""

    arrays: dict[str, NDArray[Any]]
    told: Any


def kept(entry: Path, read: Callable[[], Kept]) -> Kept:
    """What ``read`` gives, from the file ``entry`` where it has been read before.

    An entry that is damaged, or another one under this name, is made anew; where it cannot be written, ``read`` is
    called each time.

    Args:
        entry: in a folder that `dlpipe.data.cache_directory` gives; its name has the checksum of what is read, and a
            number of the form that it is kept in.
        read: reads it.
    """
    found = _entry(entry)
    if found is not None:
        return found
    made = read()
    text = np.frombuffer(json.dumps([entry.name, sorted(made.arrays), made.told]).encode(), np.uint8)
    try:
        with replacing(entry) as beside, beside.open("wb") as file:
            np.savez_compressed(file, **{TOLD: text}, **made.arrays)  # type: ignore[arg-type]  # numpy's stub
        remove_leftovers(entry.parent.iterdir(), older_than=DAY)
    except OSError as error:
        log.info("the data is read anew at every start, as %s cannot be written: %s", entry, error)
    return made


def _entry(path: Path) -> Kept | None:
    """What an entry holds; None where it is not there or damaged.

    Zip compares the crc32 of each array, and misses none but an array that the damaged list of contents leaves out.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = dict(found)
            name, names, told = json.loads(arrays.pop(TOLD).tobytes())
        if (name, names) != (path.name, sorted(arrays)):
            raise ValueError(f"it is {name} with the arrays {', '.join(names)}")
        return Kept(arrays, told)
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged entry may raise anything
        log.info("%s is damaged and made anew: %s", path, error)
        return None
