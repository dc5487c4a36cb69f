"""Import the class that a config chose: the only place where a plugin's code is imported."""

import traceback
from typing import Any

import pytorch_lightning as pl

from dlpipe.errors import PluginError
from dlpipe.plugins import health
from dlpipe.plugins.registry import Kind, PluginEntry, find

WANTED: dict[Kind, type] = {"model": pl.LightningModule, "dataset": pl.LightningDataModule}


def load_class(kind: Kind, name: str) -> type[Any]:
    """Import what is registered under ``name``: a LightningModule, a LightningDataModule, or what makes an energy.

    Raises:
        PluginError: as `find`; or the import fails (told with the plugin's traceback); or what it gives is
            not such a class.
    """
    offer = find(kind, name)
    try:
        loaded = offer.entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything at all on import, or exit
        health.record(offer, f"{type(error).__name__}: {error}")
        message = "".join(traceback.format_exception(error)).rstrip()
        raise PluginError(
            f"{offer} cannot be imported: {type(error).__name__}: {error}\n{message}\n"
            f"Mend or uninstall {offer.distribution}; every other plugin still works."
        ) from error
    problem = _class_problem(offer, loaded)
    health.record(offer, problem)
    if problem:
        raise PluginError(f"{offer} {problem}")
    return loaded  # type: ignore[no-any-return]  # an entry point gives Any; checked above


def _class_problem(offer: PluginEntry, loaded: Any) -> str | None:
    wanted = WANTED.get(offer.kind)
    if wanted is None:
        return None
    if isinstance(loaded, type) and issubclass(loaded, wanted):
        return None
    if isinstance(loaded, type) and any(base.__module__.startswith("lightning.") for base in loaded.__mro__):
        return (
            "is built on `lightning.pytorch`, dlpipe on `pytorch_lightning`: the two do not mix. "
            "Change the plugin's import to `import pytorch_lightning`."
        )
    return f"is {loaded!r}, not a subclass of pytorch_lightning.{wanted.__name__}"
