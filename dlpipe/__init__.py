"""Deep learning pipelines from plugins: Hydra composes, Lightning trains, the run directory and W&B show it."""

import importlib

TYPE_CHECKING = False  # typing is not imported: this file runs before `dlpipe.__main__` can catch Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from dlpipe.config.stored_run import load as load
    from dlpipe.errors import DataError, DlpipeError, PluginError, Problem, PrunedError, RequestError
    from dlpipe.plugins.load_class import load_class as load_plugin
    from dlpipe.python_api.run import Run
    from dlpipe.python_api.sweep import Sweep
    from dlpipe.python_api.train import compose, datasets, models, run
    from dlpipe.training.callbacks.monitor import monitored

__version__ = "0.1.0"
__all__ = [
    "DataError",
    "DlpipeError",
    "PluginError",
    "Problem",
    "PrunedError",
    "RequestError",
    "Run",
    "Sweep",
    "__version__",
    "compose",
    "datasets",
    "load",
    "load_plugin",
    "models",
    "monitored",
    "run",
    "runs",
]

_MODULES = {
    "errors": ("DataError", "DlpipeError", "PluginError", "Problem", "PrunedError", "RequestError"),
    "python_api.run": ("Run",),
    "python_api.sweep": ("Sweep",),
    "python_api.train": ("compose", "datasets", "models", "run"),
    "config.stored_run": ("load",),
    "training.callbacks.monitor": ("monitored",),
    "plugins.load_class": ("load_plugin",),
}


def __getattr__(name: str) -> "Any":
    """Import the public names on first use: ``import dlpipe`` alone imports no torch."""
    for module, names in _MODULES.items():
        if name in names:
            original = "load_class" if name == "load_plugin" else name
            return getattr(importlib.import_module(f"dlpipe.{module}"), original)
    if name == "runs":
        return importlib.import_module("dlpipe.runs")  # which can be called
    raise AttributeError(f"module 'dlpipe' has no attribute {name!r}")
