"""Overrides that nothing in the composed run reads, such as ``recipe.lr`` with an optimizer that has its own ``lr``."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.checks.constructor import signature
from dlpipe.config.experiments import GROUP
from dlpipe.errors import Problem
from dlpipe.plain_config import flat, plain
from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class
from dlpipe.settings import NEEDED_BY, NODES, READ_BY_CORE, STAGE_NODES
from dlpipe.stages import prefixes
from dlpipe.training.optimizers.attach import has_own_optimizer
from dlpipe.training.prepared import Prepared
from dlpipe.training.stages.configs import KEY, stage_config, with_stage_configs

# the constructor of each other node takes all of its keys, or refuses them
CHECKED = ("recipe", *STAGE_NODES)
# nodes from which each stage has objects of its own
OF_A_STAGE = (*STAGE_NODES, "trainer", "callbacks", "dataset")
GLOBAL_PACKAGE = re.compile(r"^#\s*@package\s+_global_\s*$", re.MULTILINE)
CHANGED = "a value that no config has"


def unused_problems(prepared: Prepared, config: DictConfig, overrides: list[str]) -> list[Problem]:
    """Overrides, typed, of an experiment or in the user's own files, whose value reaches no part of the run.

    Only what they override is refused: a published recipe may state values that a run does not read.

    Args:
        prepared: the run, whose model is built.
        config: as composed, with its interpolations.
        overrides: those of the command line.
    """
    overridden = {key: text for key, text in _overridden(config, overrides) if key.partition(".")[0] in CHECKED}
    if not overridden:
        return []
    choices = [text for text in overrides if text.partition("=")[0] in (*NODES, "stages")]
    chosen = f" with {' '.join(choices)}" if choices else ""
    before = _read_values(config, prepared)
    problems = []
    for key, text in overridden.items():
        value = text.partition("=")[2]
        if needed := _missing_condition(key, prepared):
            problems.append(Problem(text, f"nothing reads it while {needed} is null; set {needed}, or leave it out"))
        elif not _is_read(key, before, config, prepared):
            instead = " or ".join(f"{other}={value}" for other in _alternatives(key, before, prepared))
            advice = f"set {instead}" if instead else "leave it out"
            problems.append(Problem(text, f"nothing reads it{chosen}; {advice}"))
    return problems


def _overridden(config: DictConfig, overrides: list[str]) -> Iterator[tuple[str, str]]:
    """The dotted keys that the user or an experiment overrides, each with ``key=value``."""
    own = [*registry.user_conf_dirs, *registry.environment_conf_dirs()]
    for group, choice in config.hydra.runtime.choices.items() if "hydra" in config else ():
        name = str(group).partition("@")[0]
        for folder in registry.added_conf_dirs().values() if name == GROUP else own:
            yield from _in_file(folder / name / f"{choice}.yaml")
    for text in overrides:
        key = text.lstrip("+").partition("=")[0]
        if "." in key and key[0] != "~":
            yield key, text.lstrip("+")


def _in_file(path: Path) -> Iterator[tuple[str, str]]:
    """What a file overrides that changes the whole config; one that defines a choice of its group overrides nothing."""
    if path.is_file() and GLOBAL_PACKAGE.search(path.read_text(encoding="utf-8")):
        values = flat(OmegaConf.to_container(OmegaConf.load(path), resolve=False))
        yield from ((key, f"{key}={value}") for key, value in values.items() if "." in key)


def _missing_condition(key: str, prepared: Prepared) -> str | None:
    """The key of the recipe without which nothing reads this one, if it is null in every stage."""
    needed = NEEDED_BY.get(key.rpartition(".")[2]) if key.startswith("recipe.") else None
    recipes = [prepared.stage_config(stage).recipe for stage in prepared.selected_stages]
    return f"recipe.{needed}" if needed and all(recipe[needed] is None for recipe in recipes) else None


def _is_read(key: str, before: dict[str, Any], config: DictConfig, prepared: Prepared) -> bool:
    """Whether the run is given other values when this one changes."""
    changed = copy.deepcopy(config)
    with open_dict(changed):
        OmegaConf.update(changed, key, CHANGED)
    try:
        return _read_values(changed, prepared) != before
    except (OmegaConfBaseException, TypeError, ValueError, AttributeError):  # something read it, and could not use it
        return True


def _read_values(config: DictConfig, prepared: Prepared) -> dict[str, Any]:
    """The values that the core and the run's objects are given, by stage and dotted key."""
    resolved = with_stage_configs(config)
    run = {key: plain(resolved[key]) for key in resolved if key not in ("recipe", KEY, *OF_A_STAGE)}
    read = flat({**run, "dataset": plain(resolved.dataset)})
    for stage in prepared.selected_stages:
        own = stage_config(resolved, stage.name)
        nodes = [node for node in OF_A_STAGE if node not in STAGE_NODES or not has_own_optimizer(stage.module)]
        values = {node: plain(own[node]) for node in nodes}
        values["recipe"] = {key: plain(own.recipe[key]) for key in READ_BY_CORE}
        read |= {f"{stage.name}:{key}": value for key, value in flat(values).items()}
    return read


def _alternatives(key: str, read: dict[str, Any], prepared: Prepared) -> list[str]:
    """The keys of the same name that the run does read; for a stage's key, those that the stage reads."""
    name, config = key.rpartition(".")[2], prepared.config
    stages = [stage.name for stage in prepared.selected_stages]
    trained = {prefix for stage in stages for prefix in prefixes(stage)}
    if key.startswith("recipe.stages."):
        of_stage = key.split(".")[2]
        stages = [stage for stage in stages if of_stage in prefixes(stage)]
    overlays = config.recipe.stages if key.startswith("recipe.") else {}
    found = [f"recipe.stages.{stage}.{name}" for stage in sorted(trained) if name in overlays.get(stage, {})]
    found += [other for stage, _, other in (text.partition(":") for text in read) if stage in stages]
    found += [f"{kind}.{argument}" for kind in registry.KINDS if stages for argument in _arguments(kind, config)]
    return [
        other
        for other in dict.fromkeys(found)
        if other.rpartition(".")[2] == name and other != key and other.partition(".")[0] in ("recipe", *NODES)
    ]


def _arguments(kind: registry.Kind, config: DictConfig) -> list[str]:
    return list(signature(load_class(kind, config[kind].name)).parameters)
