"""Where a value of a composed config comes from: every file and override that sets it, in Hydra's order."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import Overrides, create_defaults_list
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.checks.overrides import ParsedOverride
from dlpipe.config.compose import config_tree
from dlpipe.config.qualified_configs import QualifiedConfigs
from dlpipe.plain_config import flat
from dlpipe.plugins import registry
from dlpipe.settings import READ_BY_CORE, STAGE_NODES

REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
STAGE_KEY = re.compile(r"recipe\.stages\.([^.]+)\.(.+)")


@dataclass(frozen=True)
class Setting:
    """A value that one file or override gives a key; ``value`` has its interpolations unresolved."""

    value: Any
    place: str


@dataclass(frozen=True)
class _Layer:
    """One config file as Hydra merges it: its values by their keys in the whole config."""

    name: str  # as ``recipe/lenet``
    source: str  # the folder or package that has it
    path: str  # in the source; other than the name where that is qualified
    package: str
    values: dict[str, Any]

    @property
    def file(self) -> Path | None:
        """The YAML file; None for a config that is in no file."""
        is_file = self.source.startswith("file://")
        return Path(self.source.removeprefix("file://")) / f"{self.path}.yaml" if is_file else None

    def place_of(self, key: str) -> str:
        if self.file is None:
            return f"{self.name} of {self.source}"
        inside = key.removeprefix(f"{self.package}.") if self.package else key
        return f"{_short(self.file)}, line {_line(self.file, inside.split('.'))}"


class Origins:
    """The files and overrides of one composition; reads each file once.

    Args:
        overrides: those of the command line, without sweeps.
    """

    def __init__(self, overrides: list[ParsedOverride]) -> None:
        self.overrides = overrides
        with config_tree():
            loader = cast(ConfigLoaderImpl, GlobalHydra.instance().config_loader())
            texts = [override.text for override in overrides]
            parsed, repository = loader._parse_overrides_and_create_caching_repo("config", texts)
            self._defaults = create_defaults_list(repository, "config", parsed, prepend_hydra=True, skip_missing=False)
            self._layers = [_layer(loader, repository, default) for default in self._defaults.defaults]

    def settings_of(self, key: str) -> list[Setting]:
        """What sets a value, first to last: the last one counts.

        Args:
            key: of a value, as ``optimizer.lr``; or a config group, whose choices are the values then.
        """
        found = [Setting(layer.values[key], layer.place_of(key)) for layer in self._layers if key in layer.values]
        if key in self._defaults.overrides.known_choices:
            found += _choices(key, self._layers, self._defaults.overrides)
        for override in self.overrides:
            values = flat(override.parsed.value(), override.key.partition("@")[0])
            found += [Setting(values[key], f"the override {override.text}")] if key in values else []
        return found


def references(value: Any) -> list[str]:
    """The keys that a value refers to: ``recipe.lr`` of ``${recipe.lr}``."""
    return REFERENCE.findall(value) if isinstance(value, str) else []


def readers(key: str, config: DictConfig) -> list[str]:
    """What reads a value: other keys that refer to it, and the class that is built with it; nothing is imported.

    Args:
        key: of a value.
        config: composed, with its interpolations unresolved.
    """
    content: Any = OmegaConf.to_container(config, resolve=False)
    root, _, rest = key.partition(".")
    found = [other for other, value in flat(content).items() if key in references(value)]
    found += _built_with(key, content)
    if root in registry.KINDS and rest and rest != "name":
        entry = registry.find(root, content[root]["name"])
        found.append(f"{entry.entry_point.value}({rest.partition('.')[0]}=...)")
    if stage := STAGE_KEY.fullmatch(key):
        found.append(f"stage {stage[1]}, in place of {_replaced_in_stage(stage[2])}")
    if root == "hydra":
        found.append("Hydra")
    elif (
        not rest
        or rest.rpartition(".")[2] == "_target_"
        or (root == "recipe" and rest.partition(".")[0] in READ_BY_CORE)
        or root == "sweep"
    ):
        found.append("dlpipe")
    return list(dict.fromkeys(found))


def in_stages(key: str, keys: Iterable[str]) -> list[str]:
    """The keys that give one stage another value, such as ``recipe.stages.pretrain.lr`` for ``recipe.lr``."""
    stages = [stage for other in keys if (stage := STAGE_KEY.fullmatch(other))]
    return [stage[0] for stage in stages if _replaced_in_stage(stage[2]) == key]


def _replaced_in_stage(rest: str) -> str:
    return rest if rest.partition(".")[0] in STAGE_NODES else f"recipe.{rest}"


def _built_with(key: str, content: Any) -> Iterator[str]:
    """The ``_target_`` of the innermost node that has one, with its argument."""
    node, last = content, ""
    parts = key.split(".")
    for position, part in enumerate(parts):
        if isinstance(node, dict) and "_target_" in node and part != "_target_":
            last = f"{node['_target_']}({parts[position]}=...)"
        node = node.get(part) if isinstance(node, dict) else None
    if last:
        yield last


def _layer(loader: ConfigLoaderImpl, repository: CachingConfigRepository, default: ResultDefault) -> _Layer:
    result = cast(ConfigResult, repository.load_config(str(default.config_path)))
    package = result.header["package"] if default.package is None else default.package
    content: Any = OmegaConf.to_container(loader._embed_result_config(result, default.package).config, resolve=False)
    name = str(default.config_path)
    return _Layer(name, result.path, _path_in_source(repository, name), package or "", flat(content))


def _path_in_source(repository: CachingConfigRepository, name: str) -> str:
    """The path of a config in its folder: ``model/mlp`` of ``model/supervised/mlp``."""
    for source in repository.get_sources():
        if source.is_config(name):
            located = source.locate(name) if isinstance(source, QualifiedConfigs) else None
            return located[1].removesuffix(".yaml") if located else name
    return name


def _choices(group: str, layers: list[_Layer], overrides: Overrides) -> list[Setting]:
    """What chooses a group in files: defaults lists, then ``override /GROUP: choice``, of which Hydra takes one."""
    chosen = overrides.override_metadata.get(group)
    rows = []
    for layer in (layer for layer in layers if layer.file):
        for name, choice, line in _defaults_of(cast(Path, layer.file)):
            words = name.split()
            if words[-1].lstrip("/").partition("@")[0] == group:
                taken = chosen is not None and chosen.containing_config_path == layer.name
                rows.append(
                    ("override" in words, taken, Setting(choice, f"{_short(cast(Path, layer.file))}, line {line}"))
                )
    return [setting for *_, setting in sorted(rows, key=lambda row: row[:2])]


def _defaults_of(file: Path) -> Iterator[tuple[str, Any, int]]:
    """Group, choice and line of each entry of a file's defaults list."""
    root = yaml.compose(file.read_text(encoding="utf-8"))
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        if key.value == "defaults" and isinstance(value, yaml.SequenceNode):
            for entry in value.value:
                if isinstance(entry, yaml.MappingNode):
                    name, choice = entry.value[0]
                    yield name.value, yaml.safe_load(yaml.serialize(choice)), entry.start_mark.line + 1


def _line(file: Path, parts: list[str]) -> int:
    """The line of a key in a YAML file; that of the innermost mapping where it is not a key of its own."""
    node, line = yaml.compose(file.read_text(encoding="utf-8")), 1
    for part in parts:
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next(((key, value) for key, value in node.value if str(key.value) == part), None)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def _short(file: Path) -> str:
    """The path from here, where the file is below this folder."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def value_of(config: DictConfig, key: str) -> Any:
    """The resolved value of a key; the unresolved one where it refers to what this config does not have."""
    try:
        value = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        content: Any = OmegaConf.to_container(config, resolve=False)
        return flat(content).get(key)
    return OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value
