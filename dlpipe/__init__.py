"""Deep learning pipelines from plugins: Hydra composes, Lightning trains, the run directory and W&B show it."""

TYPE_CHECKING = False  # typing is not imported: this file runs before `dlpipe.__main__` can catch Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from dlpipe.config.stored_run import load as load
    from dlpipe.errors import DataError, DlpipeError, PluginError, RequestError
    from dlpipe.plugins.load_class import load_class as load_plugin

__version__ = "0.1.0"
__all__ = ["DataError", "DlpipeError", "PluginError", "RequestError", "__version__", "load", "load_plugin"]


def __getattr__(name: str) -> "Any":
    """Import the public names on first use: ``import dlpipe`` alone imports no torch."""
    if name in ("DataError", "DlpipeError", "PluginError", "RequestError"):
        from dlpipe import errors

        return getattr(errors, name)
    if name == "load":
        from dlpipe.config.stored_run import load

        return load
    if name == "load_plugin":
        from dlpipe.plugins.load_class import load_class

        return load_class
    raise AttributeError(f"module 'dlpipe' has no attribute {name!r}")
