"""A run's directory and the files in it; ``dlpipe.runs("outputs")`` lists the runs below a folder, newest first.

Each has path, model, dataset, seed, status, started, seconds, best (a dict with metric, value, update, epoch and mode;
or None) and test (metric to value).
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dlpipe.runs.listing import ListedRun


class _CallableModule(ModuleType):
    """The public function ``dlpipe.runs`` has the name of this package, and Python gives a name to one of them."""

    def __call__(self, folder: "str | Path" = "outputs") -> "list[ListedRun]":
        """The runs below a folder, newest first, each with path, model, dataset, status, start and best value."""
        from dlpipe.runs.listing import runs

        return runs(folder)


sys.modules[__name__].__class__ = _CallableModule
