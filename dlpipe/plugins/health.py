"""Which plugins are broken: what can be seen without importing them, and what happened when one last was."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from dlpipe.atomic import atomic_write
from dlpipe.plugins import registry, source
from dlpipe.plugins.registry import PluginEntry


def record_file() -> Path:
    """The file in the user's cache that keeps failed imports, for ``list`` to show without importing anything."""
    return user_cache_path("dlpipe") / "failed_imports.json"


def _key(offer: PluginEntry) -> str:
    return f"{offer.distribution}=={offer.version} {offer.entry_point.value}"


def _read() -> dict[str, Any]:
    try:
        return dict(json.loads(record_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def record(offer: PluginEntry, failure: str | None) -> None:
    """Keep why an offer could not be imported; None, for one that could, forgets an earlier failure.

    A cache that cannot be written to costs only this note.
    """
    known = _read()
    if failure is None and _key(offer) not in known:
        return
    known.pop(_key(offer), None)
    if failure is not None:
        known[_key(offer)] = f"{failure} (on {date.today()})"
    try:
        with atomic_write(record_file()) as temporary_path:
            temporary_path.write_text(json.dumps(known, indent=2), encoding="utf-8")
    except OSError:
        return


def state(offer: PluginEntry) -> str:
    """``ok``, ``denied by DLPIPE_PLUGINS`` or ``broken: why``, with nothing imported."""
    if not registry.is_allowed(offer.distribution):
        return f"denied by {registry.ALLOW_VARIABLE}"
    seen = source.problem_with(offer)
    if seen:
        return f"broken: {seen}"
    failure = _read().get(_key(offer))
    return f"broken: {failure}" if failure else "ok"
