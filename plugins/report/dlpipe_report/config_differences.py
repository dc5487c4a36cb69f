"""Which keys of configs differ."""

from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = object()  # the value of a key that a config lacks


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Dotted key to its value in each config, `ABSENT` where a config lacks it; only keys that differ, in order."""
    values = [flat(config) for config in configs]
    keys = dict.fromkeys(key for own in values for key in own)
    rows = {key: [own.get(key, ABSENT) for own in values] for key in keys}
    return {key: row for key, row in rows.items() if any(_differ(value, row[0]) for value in row)}


def as_text(value: Any) -> str:
    """A value as it is typed in an override; empty for `ABSENT`."""
    if value is ABSENT:
        return ""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "[" + ",".join(map(as_text, value)) + "]" if isinstance(value, list) else str(value)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested mappings by dotted key; an empty mapping has none."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        own = f"{prefix}{key}"
        values |= flat(value, f"{own}.") if isinstance(value, Mapping) else {own: value}
    return values


def _differ(one: Any, other: Any) -> bool:
    """Whether two values differ, also in type: true is not 1, but 1 is 1.0."""
    return bool(one != other) or isinstance(one, bool) != isinstance(other, bool)
