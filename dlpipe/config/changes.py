"""The change that overrides make to the config of a run that has started."""

import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.config.checks import config_checks
from dlpipe.config.checks.overrides import ParsedOverride, parse
from dlpipe.config.prepare import resolved_config
from dlpipe.config.run_overrides import is_for_hydra, joined, overrides_of
from dlpipe.errors import DlpipeError, Problem, RequestError, refuse
from dlpipe.plain_config import flat, plain
from dlpipe.runs.config_file import config_yaml
from dlpipe.training.resume import changes as allowed
from dlpipe.training.resume.changes import ABSENT

# what the overrides of a run choose; where today's config tree gives another, they mean another run
CHOICES = ("model.name", "dataset.name", "optimizer._target_", "scheduler._target_")
Leaves = dict[allowed.Path, Any]


@dataclass(frozen=True)
class Change:
    """A run's config after overrides, and what they change: the old and the new value by path."""

    config: DictConfig
    values: dict[allowed.Path, tuple[Any, Any]]
    overrides: list[str]

    @property
    def typed(self) -> set[str]:
        """The dotted keys of changed values that the overrides name, or whose node they give."""
        keys = [setting.key for setting in parse(self.overrides)[0] if not _chooses(setting, self.config)]
        dotted = flat(plain(self.config))
        return {name for name in dotted if any(name == key or name.startswith(f"{key}.") for key in keys)}

    def record(self) -> dict[str, Any]:
        """The change for the run's provenance."""
        return {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "overrides": self.overrides,
            "values": allowed.record_of(self.values),
            "config": config_yaml(self.config),
        }


def changed(directory: Path, config: DictConfig, overrides: list[str]) -> Change:
    """The change of a run's config; it is composed twice, with and without them, so that all that follows changes too.

    Args:
        directory: the run's.
        config: the run's, from `read_config`.
        overrides: as on a command line.

    Raises:
        RequestError: the overrides are wrong, or change what may not change.
        DlpipeError: the run's own overrides cannot be composed any more.
    """
    settings, _ = parse(overrides)
    refuse(Problem(s.text, "Hydra has set up this run already") for s in settings if is_for_hydra(s))
    earlier = [setting.text for setting in overrides_of(directory) if not is_for_hydra(setting)]
    old = _composed_again(directory, earlier, config)
    _, new = config_checks.check(joined(earlier, overrides), multirun=False, output_key=None)[0]
    for setting in settings:  # today's tree may have another default than the run
        if (
            not _chooses(setting, config)
            and (value := OmegaConf.select(config, setting.key, default=ABSENT)) is not ABSENT
        ):
            OmegaConf.update(old, setting.key, value, force_add=True)
    before, after = (_leaves(plain(_resolved(tree, config))) for tree in (old, new))
    stored = _leaves(plain(config))
    values = {
        path: (stored.get(path, ABSENT), after.get(path, ABSENT))
        for path in [*before, *(after.keys() - before.keys())]
        if before.get(path, ABSENT) != after.get(path, ABSENT) != stored.get(path, ABSENT)
    }
    result = _with(config, values)
    refuse(allowed.change_problems(values, plain(config), plain(result)))
    return Change(result, values, overrides)


def _composed_again(directory: Path, overrides: list[str], config: DictConfig) -> DictConfig:
    """The config that the run's overrides give today."""
    try:
        _, composed = config_checks.check(overrides, multirun=False, output_key=None)[0]
    except RequestError as error:
        raise DlpipeError(
            f"{directory} cannot be changed: its own overrides cannot be composed any more:\n{error}\n"
            "Install its plugins again; if it was started with -cd FOLDER, add that; with DLPIPE_CONF, set it"
        ) from error
    for key in CHOICES:
        was, now = (OmegaConf.select(tree, key) for tree in (config, composed))
        if was != now:
            message = f"the overrides in its provenance give {key}={now}, and it has {was}"
            raise DlpipeError(
                f"{directory} cannot be changed: {message}. Start another run, with init_from={directory}"
            )
    return composed


def _resolved(composed: DictConfig, config: DictConfig) -> DictConfig:
    composed.output_dir = config.output_dir
    return resolved_config(composed)


def _chooses(setting: ParsedOverride, config: DictConfig) -> bool:
    """Whether an override chooses a config of a group, such as ``logger=wandb``."""
    return "." not in setting.key and isinstance(config.get(setting.key), DictConfig)


def _leaves(node: Any, path: allowed.Path = ()) -> Leaves:
    """The values of nested dicts by the keys on the way to them."""
    if not isinstance(node, dict):
        return {path: node}
    return {key: value for name, child in node.items() for key, value in _leaves(child, (*path, name)).items()}


def _with(config: DictConfig, values: dict[allowed.Path, tuple[Any, Any]]) -> DictConfig:
    """A copy of the config with the new values; a node that loses its last value is removed."""
    tree: Any = copy.deepcopy(plain(config))
    for path, (_, value) in values.items():
        nodes = [tree]
        for name in path[:-1]:
            nodes.append(nodes[-1].setdefault(name, {}))
        if value is not ABSENT:
            nodes[-1][path[-1]] = value
            continue
        nodes[-1].pop(path[-1], None)
        for depth in range(len(path) - 1, 1, -1):
            if not nodes[depth]:
                del nodes[depth - 1][path[depth - 1]]
    result: DictConfig = OmegaConf.create(tree)
    return result
