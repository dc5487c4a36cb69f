"""Which keys of configs differ."""

from collections.abc import Sequence
from typing import Any

from dlpipe.plain_config import as_typed, flat

ABSENT = object()  # the value of a key that a config lacks


def differences(configs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Dotted key to its value in each config, `ABSENT` where a config lacks it; only keys that differ, in order."""
    values = [flat(config) for config in configs]
    keys = dict.fromkeys(key for own in values for key in own)
    rows = {key: [own.get(key, ABSENT) for own in values] for key in keys}
    return {key: row for key, row in rows.items() if any(_differ(value, row[0]) for value in row)}


def as_text(value: Any) -> str:
    """A value as it is typed in an override; empty for `ABSENT`."""
    if value is ABSENT:
        return ""
    return "[" + ",".join(map(as_text, value)) + "]" if isinstance(value, list) else as_typed(value)


def _differ(one: Any, other: Any) -> bool:
    """Whether two values differ, also in type: true is not 1, but 1 is 1.0."""
    return bool(one != other) or isinstance(one, bool) != isinstance(other, bool)
