"""Which plugins are broken: what their source shows, and whether their last import failed."""

import contextlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from dlpipe.atomic import atomic_write
from dlpipe.operating_system import user_cache
from dlpipe.plugins import class_source, registry
from dlpipe.plugins.registry import PluginEntry


def record_file() -> Path:
    """The file of failed imports in the user's cache; ``list`` shows them without importing anything."""
    return user_cache() / "failed_imports.json"


def _key(entry: PluginEntry) -> str:
    return f"{entry.distribution}=={entry.version} {entry.entry_point.value}"


def _read() -> dict[str, Any]:
    try:
        return dict(json.loads(record_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def record(entry: PluginEntry, failure: str | None) -> None:
    """Record why an entry could not be imported, if the cache can be written; None removes an earlier failure."""
    failures = _read()
    if failure is None and _key(entry) not in failures:
        return
    failures.pop(_key(entry), None)
    if failure is not None:
        failures[_key(entry)] = f"{failure} (on {date.today()})"
    with contextlib.suppress(OSError), atomic_write(record_file()) as temporary_path:
        temporary_path.write_text(json.dumps(failures, indent=2), encoding="utf-8")


def status(entry: PluginEntry) -> str:
    """``ok``, ``denied by DLPIPE_PLUGINS`` or ``broken: why``; nothing is imported."""
    if not registry.is_allowed(entry.distribution):
        return f"denied by {registry.ALLOW_VARIABLE}"
    failure = class_source.static_error(entry) or _read().get(_key(entry))
    return f"broken: {failure}" if failure else "ok"
