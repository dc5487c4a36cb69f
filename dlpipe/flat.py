"""Flatten a nested config to dotted keys."""

from typing import Any


def flat(node: Any, key: str = "") -> dict[str, Any]:
    """The values of a nested dict by dotted key."""
    if not isinstance(node, dict):
        return {key: node}
    return {k: v for name, child in node.items() for k, v in flat(child, f"{key}.{name}" if key else name).items()}
