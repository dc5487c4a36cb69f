"""Show what a model, a dataset, an optimizer or an experiment is: its options, recipe and targets, or its file."""

import argparse
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.cli.corrections import correction
from dlpipe.cli.flags import use_config_dirs
from dlpipe.cli.type_words import type_in_words
from dlpipe.config.checks import config_checks
from dlpipe.config.compose import compose, config_tree
from dlpipe.config.config_files import read_text
from dlpipe.config.experiments import experiments
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, RequestError, format_list
from dlpipe.metrics import format_metric
from dlpipe.plain_config import as_typed
from dlpipe.plugins import class_source, health, registry
from dlpipe.plugins.class_source import Option
from dlpipe.plugins.registry import PluginEntry


def main(arguments: argparse.Namespace) -> int:
    """Print everything that is registered under this name; a PluginError if nothing is."""
    use_config_dirs(arguments.config_dir)
    name = arguments.name
    bare = name.rpartition("/")[2]
    optimizers = registry.config_options("optimizer")
    kinds = [kind for kind in registry.KINDS if any(entry.name == bare for entry in registry.entries_of_kind(kind))]
    for kind in kinds:
        _show_entry(registry.find(kind, name), name, arguments.overrides)
    if name in optimizers:
        print(f"{name}: optimizer\n")
        _print_options("optimizer", _compose("optimizer", name, arguments.overrides).optimizer)
    saved = [item for item in experiments() if name in (item.name, item.qualified_name)]
    for experiment in saved:
        print(f"{name}: experiment of {experiment.owner} ({experiment.path})\n\n{read_text(experiment.path)}")
    if not kinds and name not in optimizers and not saved:
        entries = [entry.name for kind in registry.KINDS for entry in registry.available(kind)]
        known = sorted({*optimizers, *entries, *(item.name for item in experiments())})
        raise PluginError(f"nothing is called {name!r}; {did_you_mean(name, known)}there are {format_list(known)}")
    return 0


def _compose(group: str, name: str, overrides: list[str]) -> DictConfig:
    """The config with a choice; unchecked without overrides: the default model may not fit the dataset."""
    choice = f"{group}={name}"
    if not overrides:
        with config_tree():
            return compose([choice])
    try:
        return config_checks.check([choice, *overrides], multirun=False, output_key=None)[0][1]
    except RequestError as error:
        problem = correction(overrides, ["show", name], choice)
        raise (RequestError([problem]) if problem else error) from None


def _show_entry(entry: PluginEntry, name: str, overrides: list[str]) -> None:
    source = class_source.read_class(entry)
    print(f"{name}: {entry.kind} of {entry.distribution} {entry.version} ({entry.entry_point.value})")
    status = health.status(entry)
    if status != "ok":
        print(f"status: {status}")
    print(f"\n{source.docstring if source else 'no source to read a description from'}\n")
    options = source.options if source else ()
    if registry.yaml_of(entry) is None:
        print("options (from the constructor; the plugin ships no YAML)")
        for option in options:
            annotation = type_in_words(option.annotation)
            print(f"  {entry.kind}.{option.name}={option.default or '(required)'}  {annotation}".rstrip())
        print()
        return
    cfg = _compose(entry.kind, name, overrides)
    _print_options(entry.kind, cfg[entry.kind], options)
    if entry.kind == "model":
        _print_recipe(cfg, entry)


def _print_options(root: str, node: DictConfig, options: tuple[Option, ...] = ()) -> None:
    annotations = {option.name: type_in_words(option.annotation) for option in options}
    print("options")
    rows = []
    raw: Any = OmegaConf.to_container(node, resolve=False)
    for key, value in raw.items():
        if key not in ("name", "_target_"):
            origin = f"  from {value}" if isinstance(value, str) and "${" in value else ""
            current = _value(node, key, value)
            rows.append((f"{root}.{key}={as_typed(current)}", (annotations.get(key) or _type_of(current)) + origin))
    width = max((len(left) for left, _ in rows), default=0)
    for left, right in rows:
        print(f"  {left:{width}}  {right}")
    print()


def _value(node: DictConfig, key: str, raw: Any) -> Any:
    """The value of a key; where it refers to a key that another choice would have, the reference."""
    try:
        return node[key]
    except OmegaConfBaseException:
        return raw


def _type_of(value: Any) -> str:
    if value is None:
        return "may be null"
    return type_in_words("list" if OmegaConf.is_list(value) else type(value).__name__)


def _print_recipe(cfg: DictConfig, entry: PluginEntry) -> None:
    print(f"recipe on dataset={cfg.dataset.name}")
    for key, value in cfg.recipe.items():
        if key != "targets":
            print(f"  recipe.{key}={as_typed(value)}")
    overlays = registry.config_options(f"recipe_for/{entry.name}")
    print(f"  datasets with a recipe of their own: {format_list(overlays)}; every other takes the model's recipe\n")
    print("targets")
    for target in cfg.recipe.targets:
        print(f"  dataset={target.dataset}: {format_metric(target.metric, target.value)} ({target.source})")
    if not cfg.recipe.targets:
        print("  none published")
    print()
