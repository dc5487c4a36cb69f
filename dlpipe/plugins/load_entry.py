"""Import what a plugin registers: the only place where a plugin's code is imported. torch is not imported here."""

import traceback
from typing import Any

from dlpipe.errors import PluginError
from dlpipe.plugins import health
from dlpipe.plugins.registry import PluginEntry


def load_entry(entry: PluginEntry) -> Any:
    """Import an entry's class or function.

    Raises:
        PluginError: the import fails; the message has the plugin's traceback.
    """
    try:
        return entry.entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise any exception on import, or exit
        health.record(entry, f"{type(error).__name__}: {error}")
        details = "".join(traceback.format_exception(error)).rstrip()
        raise PluginError(
            f"{entry} cannot be imported: {type(error).__name__}: {error}\n{details}\n"
            f"Fix or uninstall {entry.distribution}; every other plugin still works."
        ) from error
