"""The config checks: groups, options, keys, types, missing values, without importing torch or a plugin."""

from dataclasses import replace

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.checks.composed_config import (
    collisions,
    directory_problems,
    first_lines,
    leaf_problems,
    name_problems,
)
from dlpipe.config.checks.experiment import (
    chosen_experiment,
    default_problems,
    experiment_problems,
    saved_sweep,
    sweep_problems,
)
from dlpipe.config.checks.override_types import has_no_yaml, is_stage_override, value_problems
from dlpipe.config.checks.overrides import LIST_GROUPS, ParsedOverride, jobs, parse, syntax_problems
from dlpipe.config.checks.sweeper import GROUPS, not_installed, sweeper_problems
from dlpipe.config.compose import compose, compose_values, config_tree, is_group
from dlpipe.config.experiments import GROUP
from dlpipe.errors import PluginError, Problem, RequestError, refuse
from dlpipe.plugins import registry

Job = tuple[list[str], DictConfig]  # overrides, and the config composed from them
Bases = dict[tuple[str, ...], DictConfig]  # by overrides of groups, the config composed from them alone


def check(texts: list[str], multirun: bool, output_key: str | None) -> list[Job]:
    """Compose jobs that together cover every choice of the overrides; return each with its overrides.

    ``output_key`` is ``run`` or ``sweep``, the Hydra directory that the request writes to; None if it writes nothing.
    A RequestError has every problem found.
    """
    settings, problems = parse(texts)
    with config_tree():
        if multirun:
            saved, saved_problems = _saved_sweep(settings)
            settings, problems = saved + settings, problems + saved_problems
        valid, refused_groups = [], set()
        for setting in settings:
            setting_problems = syntax_problems(setting, multirun)
            if setting.key == GROUP and not setting_problems:
                setting_problems = sweep_problems(setting)
            problems += setting_problems
            if not setting_problems:
                valid.append(setting)
            elif is_group(setting.key):
                refused_groups.add(setting.key)
        # options of a refused choice cannot be checked
        valid = [setting for setting in valid if setting.key.partition(".")[0] not in refused_groups]
        composed: list[Job] = []
        bases: Bases = {}
        # composing takes most of the time: skip it if every override was refused
        for job in jobs(valid) if valid or not problems else []:
            try:
                cfg = _check_job(job, bases)
            except RequestError as error:
                problems += error.problems
            else:
                composed.append(([_hydra_text(setting, cfg) for setting in job], cfg))
        if composed and output_key:
            problems += directory_problems(composed[0][1], output_key)
        if composed and multirun and not problems:
            problems += sweeper_problems([cfg for _, cfg in composed], _as_given_to_hydra(valid, composed))
    refuse(problems)
    return composed


def hydra_texts(texts: list[str], checked: list[Job]) -> list[str]:
    """The overrides, including sweeps, in the form that Hydra accepts; call `check` first."""
    settings, _ = parse(texts)
    return [setting.text for setting in _as_given_to_hydra(settings, checked)]


def _as_given_to_hydra(settings: list[ParsedOverride], checked: list[Job]) -> list[ParsedOverride]:
    without_yaml = [cfg for _, cfg in checked if any(has_no_yaml(cfg, kind) for kind in registry.KINDS)]
    base = without_yaml[0] if without_yaml else checked[0][1]
    return [replace(setting, text=_hydra_text(setting, base)) for setting in settings]


def _saved_sweep(settings: list[ParsedOverride]) -> tuple[list[ParsedOverride], list[Problem]]:
    try:
        return saved_sweep(settings)
    except (PluginError, HydraException, OmegaConfBaseException):
        return [], []  # the check of the job says what is wrong with the experiment


def _check_job(job: list[ParsedOverride], bases: Bases) -> DictConfig:
    """Compose one job: first only its groups, to learn which keys exist, then all overrides."""
    groups = [setting for setting in job if is_group(setting.key)]
    values = [setting for setting in job if not is_group(setting.key)]
    experiment = chosen_experiment(groups)
    try:
        refuse(default_problems(experiment) if experiment else [])
        chosen = tuple(setting.text for setting in groups)
        base = bases[chosen] = bases.get(chosen) or _compose(chosen)
        refuse(experiment_problems(experiment, base) if experiment else [])
        refuse(name_problems(base))
        listed = [(setting.key, name) for setting in groups if setting.key in LIST_GROUPS for name in setting.choices]
        refuse(
            [*collisions(base, listed), *(problem for setting in values for problem in value_problems(setting, base))]
        )
        cfg = compose_values(base, [_hydra_text(setting, base) for setting in job]) if values else base
    except PluginError as error:
        raise RequestError([Problem("", str(error))]) from error
    except (HydraException, OmegaConfBaseException) as error:
        named = experiment if f"{GROUP}/" in str(error) else None
        where = str(named.path) if named else " ".join(setting.text for setting in job)
        raise RequestError([Problem(where, first_lines(error))]) from error
    from dlpipe.settings import core_problems  # imports pydantic: only if there is a config to check

    refuse(leaf_problems(cfg) or core_problems(cfg))
    return cfg


def _compose(overrides: tuple[str, ...]) -> DictConfig:
    """Compose, and check that model and dataset are installed: Hydra's message would not list those that are."""
    try:
        cfg = compose(list(overrides))
    except MissingConfigException as error:
        hydra_group, _, hydra_name = str(error.missing_cfg_file).rpartition("/")
        if hydra_group in GROUPS:
            raise PluginError(not_installed(hydra_group, hydra_name)) from error
        group, _, name = str(error.missing_cfg_file).partition("/")
        if group in registry.KINDS:
            registry.find(group, name)
        raise
    for kind in registry.KINDS:
        registry.find(kind, str(cfg.hydra.runtime.choices[kind]))
    return cfg


def _hydra_text(setting: ParsedOverride, base: DictConfig) -> str:
    """The override in the form that Hydra accepts: options of a stage, or of a class without YAML, are added."""
    root, dot, _ = setting.key.partition(".")
    if (dot and has_no_yaml(base, root)) or is_stage_override(setting.key):
        return "++" + setting.text.lstrip("+")
    return setting.text
