"""The config checks: groups, options, keys, types, missing values, without importing torch or a plugin."""

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.checks.choices import syntax_problems
from dlpipe.config.checks.composed_config import (
    collisions,
    directory_problems,
    first_lines,
    leaf_problems,
    name_problems,
)
from dlpipe.config.checks.override_types import has_no_yaml, is_stage_override, value_problems
from dlpipe.config.checks.overrides import ParsedOverride, jobs, parse
from dlpipe.config.compose import Composer
from dlpipe.errors import PluginError, Problem, RequestError
from dlpipe.plugins import registry

Job = tuple[list[str], DictConfig]


def check(texts: list[str], multirun: bool, output_key: str | None) -> list[Job]:
    """Compose jobs that together cover every choice of the overrides; return each with its overrides.

    Args:
        texts: overrides as typed.
        multirun: whether sweeps are allowed.
        output_key: ``run`` or ``sweep``, the Hydra directory that the request writes to; None if it writes nothing.

    Raises:
        RequestError: with every problem found.
    """
    settings, problems = parse(texts)
    with Composer() as composer:
        valid, refused_groups = [], set()
        for setting in settings:
            setting_problems = syntax_problems(setting, multirun, composer)
            problems += setting_problems
            if not setting_problems:
                valid.append(setting)
            elif composer.is_group(setting.key):
                refused_groups.add(setting.key)
        # options of a refused choice cannot be checked
        valid = [setting for setting in valid if setting.key.partition(".")[0] not in refused_groups]
        composed = []
        # composing takes most of the time: skip it if every override was refused
        for job in jobs(valid, composer) if valid or not problems else []:
            job_problems, cfg = _check_job(job, composer)
            problems += job_problems
            if cfg is not None:
                composed.append(([_hydra_text(setting, cfg) for setting in job], cfg))
        if composed and output_key:
            problems += directory_problems(composed[0][1], output_key)
    if problems:
        raise RequestError(problems)
    return composed


def hydra_texts(texts: list[str], checked: list[Job]) -> list[str]:
    """The overrides, including sweeps, in the form that Hydra accepts; call `check` first."""
    settings, _ = parse(texts)
    without_yaml = [cfg for _, cfg in checked if any(has_no_yaml(cfg, kind) for kind in registry.KINDS)]
    return [_hydra_text(setting, without_yaml[0] if without_yaml else checked[0][1]) for setting in settings]


def _check_job(job: list[ParsedOverride], composer: Composer) -> tuple[list[Problem], DictConfig | None]:
    """Compose one job: first only its groups, to learn which keys exist, then all overrides."""
    groups = [setting for setting in job if composer.is_group(setting.key)]
    values = [setting for setting in job if not composer.is_group(setting.key)]
    try:
        base = _compose([setting.text for setting in groups], composer)
        if problems := name_problems(base):
            return problems, None
        problems = collisions(base)
        for setting in values:
            problems += value_problems(setting, base)
        if problems:
            return problems, None
        cfg = _compose([_hydra_text(setting, base) for setting in job], composer) if values else base
    except PluginError as error:
        return [Problem("", str(error))], None
    except (HydraException, OmegaConfBaseException) as error:
        return [Problem(" ".join(setting.text for setting in job), first_lines(error))], None
    from dlpipe.config.checks.settings import core_problems  # imports pydantic: only if there is a config to check

    problems = leaf_problems(cfg) or core_problems(cfg)
    return problems, None if problems else cfg


def _compose(overrides: list[str], composer: Composer) -> DictConfig:
    """Compose after checking that model and dataset are installed: Hydra's message would not list those that are."""
    chosen = {kind: _default(kind) for kind in registry.KINDS}
    for text in overrides:
        key, _, value = text.partition("=")
        if key in chosen:
            chosen[key] = value.strip("'\"")
    for kind, name in chosen.items():
        registry.find(kind, name)
    return composer.compose(overrides)


def _default(group: str) -> str:
    """The default choice of conf/config.yaml."""
    defaults = OmegaConf.load(registry.conf_dir() / "config.yaml").defaults
    return next(str(item[group]) for item in defaults if OmegaConf.is_dict(item) and group in item)


def _hydra_text(setting: ParsedOverride, base: DictConfig) -> str:
    """The override in the form that Hydra accepts: options of a stage, or of a class without YAML, are added."""
    root, dot, _ = setting.key.partition(".")
    if (dot and has_no_yaml(base, root)) or is_stage_override(setting.key):
        return "++" + setting.text.lstrip("+")
    return setting.text
