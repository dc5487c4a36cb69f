"""Show what a model, a dataset or an optimizer is, its options, its recipe and its targets."""

import argparse
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.cli.verb_parser import VerbParser
from dlpipe.config.catalogue import choices
from dlpipe.config.checks import config_checks
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list
from dlpipe.metrics import format_metric
from dlpipe.plugins import health, registry, source
from dlpipe.plugins.registry import PluginEntry


def add_arguments(parser: VerbParser) -> None:
    """NAME."""
    parser.add_argument("name", metavar="NAME", help="a model, a dataset or an optimizer")


def main(arguments: argparse.Namespace) -> int:
    """Print everything that is registered under this name.

    Raises:
        PluginError: nothing is.
    """
    name = arguments.name
    bare = name.rpartition("/")[2]
    kinds = [kind for kind in registry.KINDS if any(entry.name == bare for entry in registry.entries_of_kind(kind))]
    for kind in kinds:
        _show_entry(registry.find(kind, name), name)
    if name in choices("optimizer"):
        print(f"{name}: optimizer\n")
        _print_options({"optimizer": _compose([f"optimizer={name}"]).optimizer})
    elif not kinds:
        installed = {entry.name for kind in registry.KINDS for entry in registry.available(kind)}
        known = sorted(installed | set(choices("optimizer")))
        raise PluginError(f"nothing is called {name!r}; {did_you_mean(name, known)}there are {format_list(known)}")
    return 0


def _compose(overrides: list[str]) -> DictConfig:
    return config_checks.check(overrides, multirun=False, output_key="run")[0][1]


def _show_entry(entry: PluginEntry, name: str) -> None:
    class_source = source.read_class(entry)
    print(f"{name}: {entry.kind} of {entry.distribution} {entry.version} ({entry.entry_point.value})")
    status = health.status(entry)
    if status != "ok":
        print(f"status: {status}")
    print(f"\n{class_source.docstring if class_source else 'no source to read a description from'}\n")
    if registry.yaml_of(entry) is None:
        _print_signature(entry, class_source)
        return
    cfg = _compose([f"{entry.kind}={name}"])
    _print_options({entry.kind: cfg[entry.kind]}, class_source)
    if entry.kind == "model":
        _print_recipe(cfg, entry)


def _print_signature(entry: PluginEntry, class_source: source.ClassSource | None) -> None:
    print("options (from the constructor; the plugin ships no YAML)")
    for option in class_source.options if class_source else ():
        print(f"  {entry.kind}.{option.name}={option.default or '(required)'}  {option.annotation}".rstrip())
    print()


def _print_options(nodes: dict[str, DictConfig], class_source: source.ClassSource | None = None) -> None:
    annotations = {option.name: option.annotation for option in class_source.options} if class_source else {}
    print("options")
    rows = []
    for root, node in nodes.items():
        raw: Any = OmegaConf.to_container(node, resolve=False)
        for key, value in raw.items():
            if key not in ("name", "_target_"):
                origin = f"  from {value}" if isinstance(value, str) and "${" in value else ""
                kind = annotations.get(key) or _type_of(node[key])
                rows.append((f"{root}.{key}={_plain(node[key])}", kind + origin))
    width = max((len(row[0]) for row in rows), default=0)
    for left, right in rows:
        print(f"  {left:{width}}  {right}")
    print()


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type_of(value: Any) -> str:
    if value is None:
        return "optional"
    return "list" if OmegaConf.is_list(value) else type(value).__name__


def _print_recipe(cfg: DictConfig, entry: PluginEntry) -> None:
    print(f"recipe on dataset={cfg.dataset.name}")
    for key, value in cfg.recipe.items():
        if key != "targets":
            print(f"  recipe.{key}={_plain(value)}")
    overlays = choices(f"recipe_for/{entry.name}")
    print(f"  datasets with a recipe of their own: {format_list(overlays)}; every other takes the model's recipe\n")
    print("targets")
    for target in cfg.recipe.targets:
        print(f"  dataset={target.dataset}: {format_metric(target.metric, target.value)} ({target.source})")
    if not cfg.recipe.targets:
        print("  none published")
    print()
