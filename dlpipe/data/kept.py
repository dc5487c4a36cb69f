"""What takes long to read, kept in the user's cache once it has been read."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlpipe.atomic import replacing

log = logging.getLogger(__name__)
TOLD = "told"  # the name of the array that has the JSON


class Kept(NamedTuple):
    """Arrays by their names, and what JSON can hold."""

    arrays: dict[str, NDArray[Any]]
    told: Any


def kept(entry: Path, read: Callable[[], Kept]) -> Kept:
    """What ``read`` gives, from the file ``entry`` where it has been read before.

    A damaged entry is made anew; where it cannot be written, ``read`` is called each time.

    Args:
        entry: in a folder that `dlpipe.data.cache_directory` gives; its name has the checksum of what is read, and a
            number of the form that it is kept in.
        read: reads it.
    """
    found = _entry(entry)
    if found is not None:
        return found
    made = read()
    text = np.frombuffer(json.dumps(made.told).encode(), np.uint8)
    try:
        with replacing(entry) as beside, beside.open("wb") as file:
            np.savez_compressed(file, **{TOLD: text}, **made.arrays)  # type: ignore[arg-type]  # numpy's stub
    except OSError as error:
        log.info("the data is read anew at every start, as %s cannot be written: %s", entry, error)
    return made


def _entry(path: Path) -> Kept | None:
    """What an entry holds; None where it is not there or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = dict(found)
            return Kept(arrays, json.loads(arrays.pop(TOLD).tobytes()))
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged entry may raise anything
        log.info("%s is damaged and made anew: %s", path, error)
        return None
