"""Import the class that a config names, and check its base class."""

from typing import Any

import pytorch_lightning as pl

from dlpipe.errors import PluginError
from dlpipe.plugins import health
from dlpipe.plugins.load_entry import load_entry
from dlpipe.plugins.registry import Kind, PluginEntry, find

BASE_CLASSES: dict[Kind, type] = {"model": pl.LightningModule, "dataset": pl.LightningDataModule}


def load_class(kind: Kind, name: str) -> type[Any]:
    """Import what is registered under ``name``: a LightningModule, a LightningDataModule, or a factory of energies.

    Raises:
        PluginError: it is not installed, denied or ambiguous, its import fails, or it has the wrong base class.
    """
    entry = find(kind, name)
    loaded = load_entry(entry)
    problem = _wrong_class(entry, loaded)
    health.record(entry, problem)
    if problem:
        raise PluginError(f"{entry} {problem}")
    return loaded  # type: ignore[no-any-return]  # an entry point gives Any; checked above


def _wrong_class(entry: PluginEntry, loaded: Any) -> str | None:
    base_class = BASE_CLASSES.get(entry.kind)
    if base_class is None:
        return None
    if isinstance(loaded, type) and issubclass(loaded, base_class):
        return None
    if isinstance(loaded, type) and any(base.__module__.startswith("lightning.") for base in loaded.__mro__):
        return (
            "is built on `lightning.pytorch`, dlpipe on `pytorch_lightning`: the two do not mix. "
            "Change the plugin's import to `import pytorch_lightning`."
        )
    return f"is {loaded!r}, not a subclass of pytorch_lightning.{base_class.__name__}"
