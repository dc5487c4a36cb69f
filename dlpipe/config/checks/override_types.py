"""Overrides of single values: whether the key exists, and the value has the type of the default."""

import math
from typing import Any

from hydra.core.override_parser.types import QuotedString
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.checks.overrides import OPEN_NODES, ParsedOverride
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, format_list
from dlpipe.plugins import registry


def has_no_yaml(cfg: DictConfig, root: str) -> bool:
    """Whether ``root`` is a model or dataset without YAML: its options are its constructor's arguments."""
    return root in registry.KINDS and registry.yaml_of(registry.find(root, cfg[root].name)) is None


def is_stage_override(key: str) -> bool:
    """Whether the key is a stage's override of the recipe, which pydantic checks; the model defines the stages."""
    return key.startswith("recipe.stages.") and key.count(".") > 2


def value_problems(setting: ParsedOverride, base: DictConfig) -> list[Problem]:
    """Problems with an override of a value of ``base``, the config composed from only the groups."""
    root = setting.key.partition(".")[0]
    if setting.parsed.is_delete() or root == "hydra" or has_no_yaml(base, root) or is_stage_override(setting.key):
        return []
    *parents, name = setting.key.split(".")
    node: Any = base
    for depth, parent in enumerate([*parents, name]):
        known = _known(node, at_root=depth == 0, in_plugin_group=depth == 1 and root in registry.KINDS)
        if parent not in known and not (parent == "_target_" and OmegaConf.is_dict(node) and "_target_" in node):
            if setting.adds and root in OPEN_NODES:
                return []
            return [_unknown(setting, ".".join(parents[:depth]), parent, known)]
        if depth < len(parents):
            node = node[parent]
    # Lightning's annotations allow more types than our defaults: devices may be 2, a list, or auto
    return [] if root == "trainer" else _type_problems(setting, base)


def _known(node: Any, at_root: bool, in_plugin_group: bool) -> list[str]:
    """The keys of a node that a user may set."""
    keys = [str(key) for key in node] if OmegaConf.is_dict(node) else []
    hidden = {"_target_"} | ({"hydra", "output_dir"} if at_root else set()) | ({"name"} if in_plugin_group else set())
    return [key for key in keys if key not in hidden]


def _unknown(setting: ParsedOverride, parent: str, name: str, known: list[str]) -> Problem:
    if parent in registry.KINDS and name == "name":
        return Problem(setting.where, f"choose with {parent}={setting.shown_value}")
    message = f"no such key; {did_you_mean(name, known)}{parent or 'the config'} has {format_list(known)}"
    if parent == "trainer":
        message += f". Any other argument of Lightning's Trainer is added as +{setting.text.lstrip('+')}"
    return Problem(setting.where, message)


def _type_problems(setting: ParsedOverride, base: DictConfig) -> list[Problem]:
    value = setting.parsed.value()
    value = value.text if isinstance(value, QuotedString) else value
    if value in (None, "???") or (isinstance(value, str) and "${" in value):
        return []
    try:
        default = OmegaConf.select(base, setting.key)
    except OmegaConfBaseException:  # it depends on another override, or on the run; checked once everything is composed
        return []
    expected = _expected_type(value, default)
    return [Problem(setting.where, f"must be {expected}, like the default {default}")] if expected else []


def _expected_type(value: Any, default: Any) -> str | None:
    """The type that the value should have; None if it has that type, or the default does not determine one."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return None if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    if isinstance(default, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return None if number and math.isfinite(value) else "a number"
    if isinstance(default, ListConfig):
        return None if isinstance(value, list) else "a list"
    if isinstance(default, DictConfig):
        return None if isinstance(value, dict) else "a mapping"
    return None
