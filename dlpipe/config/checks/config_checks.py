"""The light pass: groups, options, keys, types and missing values, without torch or any plugin's code."""

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
from dlpipe.config.checks.override_types import has_no_yaml, is_of_stage, value_problems
from dlpipe.config.checks.overrides import ParsedOverride, jobs, parse
from dlpipe.config.compose import Composer
from dlpipe.errors import PluginError, Problem, RequestError
from dlpipe.plugins import registry

Job = tuple[list[str], DictConfig]


def check(texts: list[str], multirun: bool, output_key: str | None) -> list[Job]:
    """Compose jobs that between them show every choice of the overrides; each with its overrides.

    Args:
        texts: overrides as typed.
        multirun: whether sweeps are allowed.
        output_key: ``run`` or ``sweep``: which of Hydra's directories the request would write to; None for none.

    Raises:
        RequestError: with every problem found.
    """
    settings, problems = parse(texts)
    with Composer() as composer:
        good, refused_roots = [], set()
        for setting in settings:
            found = syntax_problems(setting, multirun, composer)
            problems += found
            if not found:
                good.append(setting)
            elif composer.is_group(setting.key):
                refused_roots.add(setting.key)
        # what belongs to a choice that was refused cannot be judged
        good = [setting for setting in good if setting.key.partition(".")[0] not in refused_roots]
        composed = []
        # a request of which nothing is left needs no composing, which is most of the time to an answer
        for job in jobs(good, composer) if good or not problems else []:
            found, cfg = _check_job(job, composer)
            problems += found
            if cfg is not None:
                composed.append(([_hydra_text(setting, cfg) for setting in job], cfg))
        if composed and output_key:
            problems += directory_problems(composed[0][1], output_key)
    if problems:
        raise RequestError(problems)
    return composed


def hydra_texts(texts: list[str], checked: list[Job]) -> list[str]:
    """The overrides, sweeps included, as Hydra is to see them; after `check` has passed them."""
    settings, _ = parse(texts)
    free = [cfg for _, cfg in checked if any(has_no_yaml(cfg, kind) for kind in registry.KINDS)]
    return [_hydra_text(setting, free[0] if free else checked[0][1]) for setting in settings]


def _check_job(job: list[ParsedOverride], composer: Composer) -> tuple[list[Problem], DictConfig | None]:
    """Compose one job: first its groups alone, to see which keys there are, then the whole."""
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
    from dlpipe.config.checks.settings import core_problems  # pydantic: only where there is a config to judge

    problems = leaf_problems(cfg) or core_problems(cfg)
    return problems, None if problems else cfg


def _compose(overrides: list[str], composer: Composer) -> DictConfig:
    """Compose, once it is known that model and dataset are installed: Hydra's message would not say what is."""
    chosen = {kind: _default(kind) for kind in registry.KINDS}
    for text in overrides:
        key, _, value = text.partition("=")
        if key in chosen:
            chosen[key] = value.strip("'\"")
    for kind, name in chosen.items():
        registry.find(kind, name)
    return composer.compose(overrides)


def _default(group: str) -> str:
    """The choice that conf/config.yaml makes."""
    defaults = OmegaConf.load(registry.conf_dir() / "config.yaml").defaults
    return next(str(item[group]) for item in defaults if OmegaConf.is_dict(item) and group in item)


def _hydra_text(setting: ParsedOverride, base: DictConfig) -> str:
    """The override as Hydra is to see it: options of a class without YAML, or of a stage, are added."""
    root, dot, _ = setting.key.partition(".")
    if (dot and has_no_yaml(base, root)) or is_of_stage(setting.key):
        return "++" + setting.text.lstrip("+")
    return setting.text
