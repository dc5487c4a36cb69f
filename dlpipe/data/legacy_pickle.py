"""Pickled datasets of the Python 2 era, read without running code from the file."""

import gzip
import pickle
from pathlib import Path
from typing import Any

from dlpipe.errors import DataError

# all that a pickled numpy array needs, under the old and new name of the module that numpy 2.0 renamed
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickle plain containers and numpy arrays; refuse every other name before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up one of the names that a numpy array needs.

        Raises:
            DataError: the file uses any other name, which the message contains.
        """
        if (module, name) not in ALLOWED:
            raise DataError(f"it would call {module}.{name}; only numpy arrays and plain containers are allowed")
        if name == "_reconstruct":
            from numpy._core.multiarray import _reconstruct

            return _reconstruct
        return super().find_class(module, name)


def read_pickles(path: Path, count: int = 1) -> list[Any]:
    """The first ``count`` pickles in a file, compressed with gzip or not.

    Raises:
        DataError: the file is damaged, or contains more than numpy arrays and plain containers.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            # latin1 decodes any byte string of Python 2 without loss
            return [ArrayUnpickler(file, encoding="latin1").load() for _ in range(count)]
    except DataError as error:
        raise DataError(f"{path} is refused: {error}") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path} cannot be read: {error}; replace it with a good copy") from error
