"""What is wrong with a search, before anything is written."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from dlpipe import DlpipeError, Problem, load_plugin
from dlpipe.did_you_mean import did_you_mean
from dlpipe_optuna.journal import JOURNAL, study_problem
from dlpipe_optuna.samplers import NO_PRUNER, PRUNERS, SAMPLERS, build_pruner, build_sampler
from dlpipe_optuna.search_space import SearchSpace, parse_search_space

EXAMPLE = "optimizer.lr=interval(1e-4,1e-1)"


@dataclass(frozen=True)
class Settings:
    """``hydra.sweeper`` of a search.

    Args:
        n_trials: how many there are in all, also if the search is continued.
        n_jobs: how many are proposed at once and handed to the launcher.
        sampler: a name in `SAMPLERS`.
        sampler_options: arguments of the sampler.
        pruner: a name in `PRUNERS`.
        pruner_options: arguments of the pruner.
        seed: of the sampler; None takes the run's.
        params: overrides of the search space.
    """

    n_trials: int
    n_jobs: int
    sampler: str
    sampler_options: dict[str, Any] | None
    pruner: str
    pruner_options: dict[str, Any] | None
    seed: int | None
    params: dict[str, Any] | None


def read_settings(config: DictConfig) -> Settings:
    """The settings of a composed config, not checked yet."""
    node: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    return Settings(**{name: node[name] for name in Settings.__dataclass_fields__})


def problems(configs: Sequence[DictConfig], overrides: Sequence[str]) -> list[Problem]:
    """Every problem of a search; the arguments are those of ``OptunaSweeper.problems``."""
    settings = read_settings(configs[0])
    found = [*_value_problems(settings)]
    if found:
        return found
    space = parse_search_space(settings.params, overrides, GlobalHydra.instance().config_loader())
    found = [Problem(text, message) for text, message in space.errors.items()]
    if not found and not space.dimensions:
        message = f"needs something to search; give a value an interval, a range or choices, such as {EXAMPLE}"
        found.append(Problem("hydra/sweeper=optuna", message))
    return found or [
        *_option_problems(settings, space),
        *_pruner_problems(configs, settings),
        *_study_problems(configs, space),
    ]


def _value_problems(settings: Settings) -> Iterator[Problem]:
    for name in ("n_trials", "n_jobs"):
        value = getattr(settings, name)
        if type(value) is not int or value < 1:
            yield Problem(f"hydra.sweeper.{name}={value}", "must be a whole number from 1")
    if settings.seed is not None and (type(settings.seed) is not int or settings.seed < 0):
        yield Problem(f"hydra.sweeper.seed={settings.seed}", "must be a whole number from 0, or null for the run's")
    for name, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        value, options = getattr(settings, name), getattr(settings, f"{name}_options")
        if value not in known:
            message = f"no such {name}; {did_you_mean(str(value), known)}there are {', '.join(known)}"
            yield Problem(f"hydra.sweeper.{name}={value}", message)
        # Hydra would call what an option names with _target_
        if options is not None and not _is_flat(options):
            yield Problem(f"hydra.sweeper.{name}_options={options}", "must be numbers, words, true or false by name")
    if settings.params is not None and not _is_flat(settings.params):
        yield Problem(f"hydra.sweeper.params={settings.params}", f"must be overrides, such as {EXAMPLE}")


def _is_flat(options: Any) -> bool:
    return isinstance(options, Mapping) and not any(
        isinstance(value, (Mapping, list)) or str(key).startswith("_") for key, value in options.items()
    )


def _option_problems(settings: Settings, space: SearchSpace) -> Iterator[Problem]:
    try:
        build_sampler(settings.sampler, settings.sampler_options, space.dimensions, seed=0, number=0)
    except ImportError as error:
        message = f"needs the package cmaes ({str(error).splitlines()[0]}): pip install 'dlpipe[optuna]'"
        yield Problem(f"hydra.sweeper.sampler={settings.sampler}", message)
    except (TypeError, ValueError) as error:
        yield Problem(f"hydra.sweeper.sampler={settings.sampler}", str(error))
    try:
        build_pruner(settings.pruner, settings.pruner_options)
    except (TypeError, ValueError) as error:
        yield Problem(f"hydra.sweeper.pruner={settings.pruner}", str(error))


def _pruner_problems(configs: Sequence[DictConfig], settings: Settings) -> Iterator[Problem]:
    """Pruning compares the validations of trials, and those of one stage say nothing about another's."""
    if settings.pruner == NO_PRUNER:
        return
    for name in sorted({str(config.model.name) for config in configs if len(config.stages or []) != 1}):
        if inspect.isfunction(getattr(load_plugin("model", name), "stages", None)):
            message = f"cannot prune model={name}, which is trained in stages; choose one with stages=, or no pruner"
            yield Problem(f"hydra.sweeper.pruner={settings.pruner}", message)


def _study_problems(configs: Sequence[DictConfig], space: SearchSpace) -> Iterator[Problem]:
    modes = sorted({str(config.recipe.monitor_mode) for config in configs})
    if len(modes) > 1:
        message = "differs between the trials, which have one objective; search over one of them at a time"
        yield Problem(f"recipe.monitor_mode={','.join(modes)}", message)
        return
    sweep_dir = Path(str(configs[0].hydra.sweep.dir)).absolute()
    try:
        problem = study_problem(sweep_dir, space.dimensions, modes[0])
    except DlpipeError as error:
        yield Problem("", str(error))
        return
    if problem:
        yield Problem(str(sweep_dir / JOURNAL), problem)
