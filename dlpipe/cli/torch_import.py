"""Imports of torch and of what uses it, without a search for garbage that cannot be there."""

import contextlib
import gc
import sys
from collections.abc import Iterator

RARELY = 100_000  # new objects between two collections; torch, Lightning and what they import have half a million


@contextlib.contextmanager
def torch_imported_without_collections() -> Iterator[None]:
    """Import torch in the block with hardly a garbage collection, and leave all modules out of those after it.

    Modules stay, but Python looks through all of them again and again: a fifth of the import, and then a second of its
    exit. Where torch has been imported, as in a notebook, the collector stays as it is.
    """
    usual = gc.get_threshold()
    was_imported = "torch" in sys.modules
    if not was_imported:
        gc.set_threshold(RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        if not was_imported and "torch" in sys.modules:
            gc.freeze()
