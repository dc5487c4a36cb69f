"""Pickled datasets of Python 2 and 3, read without running code from the file."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dlpipe.data.available_memory import available_bytes
from dlpipe.data.content import BoundedReader, open_content
from dlpipe.errors import DataError


def _empty_array(cls: Any, shape: Any, code: Any) -> Any:
    """What numpy's ``_reconstruct`` is called for; dimensions in its arguments would allocate memory."""
    return np.ndarray((0,), np.uint8)


def _array_of_buffer(buffer: Any, dtype: np.dtype[Any], shape: Any, order: Any) -> Any:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _latin1_bytes(text: Any = "", encoding: str = "latin1") -> bytes:
    """The bytes that protocols 0 to 2 write as text."""
    if encoding != "latin1" or not isinstance(text, str):
        raise DataError(f"it would encode {type(text).__name__} as {encoding}; only text as latin1 is allowed")
    return text.encode("latin1")


# all that a pickled numpy array needs, under the old and new names of the modules that numpy 2.0 and Python 3 renamed;
# our own functions, since the originals could allocate or decode anything
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "numpy.ndarray",  # only an argument of _reconstruct, which ignores it
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _latin1_bytes,  # of an empty array
    ("builtins", "bytes"): _latin1_bytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty_array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _array_of_buffer for core in ("core", "_core")},
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
        return ALLOWED[module, name]


def read_pickles(path: Path, count: int = 1) -> list[Any]:
    """The first ``count`` pickles in a file, compressed or not.

    Raises:
        DataError: the file is damaged, contains more than numpy arrays and plain containers, or decompressed exceeds
            the available memory.
    """
    try:
        with open_content(path) as content:
            file = io.BufferedReader(BoundedReader(content, path, available_bytes()))
            # latin1 decodes any byte string of Python 2 without loss
            return [ArrayUnpickler(file, encoding="latin1").load() for _ in range(count)]
    except DataError as error:
        raise DataError(f"{path} is refused: {error}") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path} cannot be read: {error}; replace it with a good copy") from error
