"""What is wrong with an experiment: the groups and the values in its file, checked as on the command line."""

from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.checks.override_types import value_problems
from dlpipe.config.checks.overrides import (
    HYDRA_KEYS,
    LIST_GROUPS,
    ParsedOverride,
    choice_problem,
    expand_sweep,
    keeps_job_number,
    parse,
)
from dlpipe.config.compose import compose, is_group
from dlpipe.config.config_files import read_options
from dlpipe.config.experiments import GROUP, PACKAGES, Experiment, find
from dlpipe.errors import Problem
from dlpipe.plain_config import flat
from dlpipe.plugins import registry

# groups that conf/config.yaml itself overrides, which is before an experiment does
WITHOUT_EFFECT = ("hydra/job_logging",)
# what Hydra takes from the request as a whole, and never from one of the experiments of a sweep
OF_THE_SWEEP = ("launcher", "sweeper", "sweep")


def chosen_experiment(settings: list[ParsedOverride]) -> Experiment | None:
    """The experiment that the overrides of one job choose."""
    names = [setting.shown_value.strip("'\"") for setting in settings if setting.key == GROUP]
    return find(names[-1]) if names else None


def default_problems(experiment: Experiment) -> list[Problem]:
    """Groups and options in the defaults list that do not exist: Hydra would not list those that do."""
    problems = _form_problems(experiment)
    for key, value in _defaults(experiment):
        target = key.split()[-1]
        group = target.lstrip("/").partition("@")[0]
        if "override" not in key.split():
            continue
        if not target.startswith("/"):
            problem: str | None = f"write override /{target}"
        elif group in WITHOUT_EFFECT:
            problem = "has no effect in an experiment; choose it on the command line"
        elif not is_group(group):
            problem = "no such group"
        else:
            names = value if isinstance(value, list) and group in LIST_GROUPS else [value]
            found = (choice_problem(group, n) if isinstance(n, str) else f"{group} takes one name" for n in names)
            problem = next((one for one in found if one), None)
        if problem:
            problems.append(Problem(f"{experiment.path}: {key}: {value}", problem))
    return problems


def _form_problems(experiment: Experiment) -> list[Problem]:
    """What Hydra assumes about the form of a file."""
    content = read_options(experiment.path)
    items = content.get("defaults", [])
    problems = []
    if not isinstance(content.get("hydra", {}), dict):
        problems.append(Problem(f"{experiment.path}: hydra={content['hydra']}", "must be a mapping"))
    if not isinstance(items, list):
        problems.append(Problem(f"{experiment.path}: defaults={items}", "must be a list"))
    elif wrong := [
        item for item in items if not (isinstance(item, str) or (isinstance(item, dict) and len(item) == 1))
    ]:
        message = "is not an item of a defaults list; write 'override /group: choice', or the name of an experiment"
        problems += [Problem(f"{experiment.path}: {item}", message) for item in wrong]
    return problems


def sweep_problems(setting: ParsedOverride) -> list[Problem]:
    """Settings of Hydra's sweep in experiments of which several are chosen, ``experiment=a,b``: they have no effect."""
    if not setting.parsed.is_sweep_override():
        return []
    problems = []
    for experiment in [find(choice.shown_value.strip("'\"")) for choice in expand_sweep(setting)]:
        nodes = read_options(experiment.path).get("hydra")
        used = [f"hydra.{name}" for name in OF_THE_SWEEP if isinstance(nodes, dict) and name in nodes]
        used += [key for key, _ in _defaults(experiment) if key.split()[-1] in ("/hydra/launcher", "/hydra/sweeper")]
        message = "has no effect in a sweep over experiments: choose one, or set it on the command line"
        problems += [Problem(f"{experiment.path}: {key}", message) for key in used]
    return problems


def saved_sweep(settings: list[ParsedOverride]) -> tuple[list[ParsedOverride], list[Problem]]:
    """The sweep that the chosen experiment and search hold, ``hydra.sweeper.params``, as overrides."""
    chosen = [one for one in settings if one.key in PACKAGES and not one.parsed.is_sweep_override()]
    experiment = chosen_experiment(chosen)
    if not chosen or (experiment and default_problems(experiment)):
        return [], []
    params = OmegaConf.select(compose([one.text for one in chosen]), "hydra.sweeper.params")
    file = experiment.path if experiment else Path(chosen[-1].text.replace("=", "/") + ".yaml")
    return parse([f"{key}={value}" for key, value in params.items()] if params else [], file)


def experiment_problems(experiment: Experiment, cfg: DictConfig) -> list[Problem]:
    """Keys and types of the values that the experiment sets.

    ``cfg`` was composed from it and from groups. Without the experiment, with the groups that it chose, the same
    config has only known keys.
    """
    bare = _without_experiment(cfg)
    before, after = (flat(_raw(config, hydra=False)) for config in (bare, cfg))
    problems = []
    for key, value in after.items():
        if key in before and (type(value), value) == (type(before[key]), before[key]):
            continue
        override = Override(OverrideType.ADD, key, ValueType.ELEMENT, value)
        setting = ParsedOverride(f"{key}={value}", override, experiment.path)
        if value is None and OmegaConf.is_dict(_select(bare, key)):
            problems.append(Problem(setting.where, "must be a mapping"))
        else:
            problems += value_problems(setting, bare)
    return problems + _hydra_problems(experiment, bare, cfg)


def _without_experiment(cfg: DictConfig) -> DictConfig:
    """The config of the same groups without the values of the experiment."""
    defaults = OmegaConf.load(registry.conf_dir() / "config.yaml").defaults
    groups = [str(key).split()[-1] for item in defaults if OmegaConf.is_dict(item) for key in item]
    choices = cfg.hydra.runtime.choices
    return compose([f"{group}={choices[group]}" for group in groups if group != GROUP and choices.get(group)])


def _hydra_problems(experiment: Experiment, bare: DictConfig, cfg: DictConfig) -> list[Problem]:
    before, after = (flat(_raw(config, hydra=True), "hydra") for config in (bare, cfg))
    empty = [f"hydra.{name}" for name in ("launcher", "sweeper") if cfg.hydra[name] is None]
    return [Problem(f"{experiment.path}: {key}=None", "must be a mapping") for key in empty] + [
        Problem(f"{experiment.path}: {key}={after.get(key)}", message)
        for key, message in HYDRA_KEYS.items()
        if after.get(key) != before.get(key) and not keeps_job_number(key, str(after.get(key)))
    ]


def _raw(config: DictConfig, hydra: bool) -> Any:
    nodes: Any = OmegaConf.to_container(config, resolve=False)
    return nodes["hydra"] if hydra else {name: node for name, node in nodes.items() if name != "hydra"}


def _select(config: DictConfig, key: str) -> Any:
    try:
        return OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None


def _defaults(experiment: Experiment) -> list[tuple[str, Any]]:
    """Key and value of the items of the defaults list, ``("override /model", "mlp")``."""
    items = read_options(experiment.path).get("defaults")
    mappings = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [(str(key), value) for item in mappings for key, value in item.items()]
