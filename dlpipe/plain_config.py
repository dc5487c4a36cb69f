"""A config as plain containers, nested or flat."""

from typing import Any

from omegaconf import OmegaConf


def plain(node: Any) -> Any:
    """The resolved containers of a config node; any other value as it is."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def flat(node: Any, key: str = "") -> dict[str, Any]:
    """The values of a nested dict by dotted key."""
    if not isinstance(node, dict):
        return {key: node}
    return {k: v for name, child in node.items() for k, v in flat(child, f"{key}.{name}" if key else name).items()}


def as_typed(value: Any) -> str:
    """A value as it is typed in an override: null, true, false."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
