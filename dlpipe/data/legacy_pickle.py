"""Pickled datasets of the Python 2 era, read without letting the file run anything."""

import gzip
import pickle
from pathlib import Path
from typing import Any

from dlpipe.errors import DataError

# all that a pickled numpy array needs; both spellings of the module that numpy renamed in 2.0
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickle plain containers and numpy arrays; refuse every other name before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """The few names a numpy array needs.

        Raises:
            DataError: the file asks for anything else; it says what.
        """
        if (module, name) not in ALLOWED:
            raise DataError(f"it asks to call {module}.{name}; only numpy arrays and plain containers are read")
        if name == "_reconstruct":
            from numpy._core.multiarray import _reconstruct

            return _reconstruct
        return super().find_class(module, name)


def read_pickles(path: Path, count: int = 1) -> list[Any]:
    """The first ``count`` pickles in a file, compressed with gzip or not.

    Raises:
        DataError: the file is damaged, or asks for more than numpy arrays and plain containers.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            # latin1 maps Python 2's byte strings to text without loss
            return [ArrayUnpickler(file, encoding="latin1").load() for _ in range(count)]
    except DataError as error:
        raise DataError(f"{path} is refused: {error}") from error
    except Exception as error:  # a damaged pickle may raise anything at all
        raise DataError(f"{path} cannot be read: {error}; remove it, and take a good copy") from error
