"""A nested config as dotted keys."""

from typing import Any


def flat(node: Any, key: str = "") -> dict[str, Any]:
    """Dotted keys and their values."""
    if not isinstance(node, dict):
        return {key: node}
    return {k: v for name, child in node.items() for k, v in flat(child, f"{key}.{name}" if key else name).items()}
