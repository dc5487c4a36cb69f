"""``show NAME``: a model, a dataset or an optimizer: what it is, its options, its recipe, its targets."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.config.catalogue import choices
from dlpipe.config.checks import config_checks
from dlpipe.errors import PluginError, did_you_mean, format_list
from dlpipe.metrics import format_metric
from dlpipe.plugins import health, registry, source
from dlpipe.plugins.registry import PluginEntry


def main(name: str) -> int:
    """Print everything that is known by this name.

    Raises:
        PluginError: nothing is.
    """
    bare = name.rpartition("/")[2]
    kinds = [kind for kind in registry.KINDS if any(offer.name == bare for offer in registry.entries_of_kind(kind))]
    for kind in kinds:
        _show_offer(registry.find(kind, name), name)
    if name in choices("optimizer"):
        print(f"{name}: optimizer\n")
        _print_options({"optimizer": _compose([f"optimizer={name}"]).optimizer})
    elif not kinds:
        known = sorted(
            {offer.name for kind in registry.KINDS for offer in registry.available(kind)} | set(choices("optimizer"))
        )
        raise PluginError(f"nothing is called {name!r}; {did_you_mean(name, known)}there are {format_list(known)}")
    return 0


def _compose(overrides: list[str]) -> DictConfig:
    return config_checks.check(overrides, multirun=False, output_key="run")[0][1]


def _show_offer(offer: PluginEntry, name: str) -> None:
    described = source.read_class(offer)
    print(f"{name}: {offer.kind} of {offer.distribution} {offer.version} ({offer.entry_point.value})")
    state = health.status(offer)
    if state != "ok":
        print(f"state: {state}")
    print(f"\n{described.docstring if described else 'no source to read a description from'}\n")
    if registry.yaml_of(offer) is None:
        _print_signature(offer, described)
        return
    cfg = _compose([f"{offer.kind}={name}"])
    _print_options({offer.kind: cfg[offer.kind]}, described)
    if offer.kind == "model":
        _print_recipe(cfg, offer)


def _print_signature(offer: PluginEntry, described: source.ClassSource | None) -> None:
    print("options (from the constructor; the plugin ships no YAML)")
    for option in described.options if described else ():
        print(f"  {offer.kind}.{option.name}={option.default or '(required)'}  {option.annotation}".rstrip())
    print()


def _print_options(nodes: dict[str, DictConfig], described: source.ClassSource | None = None) -> None:
    annotations = {option.name: option.annotation for option in described.options} if described else {}
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


def _print_recipe(cfg: DictConfig, offer: PluginEntry) -> None:
    print(f"recipe on dataset={cfg.dataset.name}")
    for key, value in cfg.recipe.items():
        if key != "targets":
            print(f"  recipe.{key}={_plain(value)}")
    overlays = choices(f"recipe_for/{offer.name}")
    print(f"  datasets with a form of their own: {format_list(overlays)}; every other takes the model's recipe\n")
    print("targets")
    for target in cfg.recipe.targets:
        print(f"  dataset={target.dataset}: {format_metric(target.metric, target.value)} ({target.source})")
    if not cfg.recipe.targets:
        print("  none published")
    print()
