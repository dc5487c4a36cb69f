"""A search: trials are proposed, run and recorded in the study, until there are as many as were asked for."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from dlpipe import DlpipeError
from dlpipe_optuna.checks import Settings, read_settings
from dlpipe_optuna.journal import PRUNED, RETRY_OF, open_study
from dlpipe_optuna.samplers import NO_PRUNER, build_sampler, grid
from dlpipe_optuna.search_space import SearchSpace, overrides, parse_search_space

log = logging.getLogger(__name__)
# what each job has beyond its values, for the pruner
PRUNING = "+callbacks.pruning={_target_:dlpipe_optuna.pruning.Pruning,monitor:${recipe.monitor}}"


class SearchError(DlpipeError, CompactHydraException):
    """A search cannot go on; Hydra prints this kind without its traceback."""


def search(config: DictConfig, loader: ConfigLoader, launcher: Launcher, arguments: list[str]) -> None:
    """Run the trials that have not ended yet: first those that a killed process left, with the same values.

    Args:
        config: the config of the sweep.
        loader: composes the config of a job.
        launcher: runs the jobs.
        arguments: the overrides of the request, without Hydra's own.

    Raises:
        SearchError: a job has no value to optimise.
        Exception: of the first job that has failed, at the end, where the launcher hands it over.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = read_settings(config)
    space = parse_search_space(settings.params, arguments, loader)
    one_job = loader.load_sweep_config(config, space.first)
    seed = one_job.seed if settings.seed is None else settings.seed
    sweep_dir = Path(str(config.hydra.sweep.dir))
    sweep_dir.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, sweep_dir / "multirun.yaml")  # as Hydra's own sweeper does
    study = open_study(sweep_dir, space.dimensions, one_job.recipe.monitor_mode)
    if settings.sampler == "grid":
        points = math.prod(len(values) for values in grid(space.dimensions).values())
        settings = replace(settings, n_trials=min(settings.n_trials, points))
    extra = [] if settings.pruner == NO_PRUNER else [PRUNING]
    failed: list[JobReturn] = []

    def launch(trials: list[FrozenTrial]) -> Sequence[JobReturn]:
        jobs = [[*space.fixed, *overrides(trial.params), *extra] for trial in trials]
        return launcher.launch(jobs, initial_job_idx=trials[0].number)

    _retry_failed(study, launch)
    while trials := _next_batch(study, space, settings, seed):
        results = launch(trials)
        for trial, result in zip(trials, results, strict=True):
            _tell(study, trial, result)
        failed += [result for result in results if result.status != JobStatus.COMPLETED]
    if failed:
        _ = failed[0].return_value  # raises its exception


def _retry_failed(study: optuna.Study, launch: Callable[[list[FrozenTrial]], Sequence[JobReturn]]) -> None:
    """Hand the failed trials to the launcher once more, which knows whether to run their jobs again.

    A trial that has ended cannot be changed: a value that there is now is added as another trial.
    """
    trials = study.get_trials(deepcopy=False)
    others = [trial.params for trial in trials if trial.state != TrialState.FAIL]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL and trial.params not in others]
    for trial, result in zip(failed, launch(failed) if failed else [], strict=True):
        value = _value(result)
        if value is not None and math.isfinite(value):
            attributes = {RETRY_OF: trial.number}
            params, distributions = trial.params, trial.distributions
            study.add_trial(
                create_trial(params=params, distributions=distributions, value=value, user_attrs=attributes)
            )


def _next_batch(study: optuna.Study, space: SearchSpace, settings: Settings, seed: int) -> list[FrozenTrial]:
    """The trials to launch next; empty if all have ended.

    Batches end at multiples of ``n_jobs``, so that a search that was killed while it proposed or recorded the trials of
    one has the same batches afterwards.
    """
    trials = study.get_trials(deepcopy=False)
    running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
    first = running[0] if running else len(trials)
    retried = sum(RETRY_OF in trial.user_attrs for trial in trials)
    end = min((first // settings.n_jobs + 1) * settings.n_jobs, settings.n_trials + retried)
    for number in range(first, end):
        study.sampler = build_sampler(settings.sampler, settings.sampler_options, space.dimensions, seed, number)
        if number >= len(trials):
            study.ask(dict(space.dimensions))
        elif number in running and trials[number].params.keys() != space.dimensions.keys():
            _complete(study, trials[number], space)
    return [trial for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]) if trial.number < end]


def _complete(study: optuna.Study, trial: FrozenTrial, space: SearchSpace) -> None:
    """Propose the values that a killed process has not, as `optuna.Study.ask` does; the others are kept."""
    own = Trial(study, trial._trial_id)
    for key, distribution in space.dimensions.items():
        own._suggest(key, distribution)


def _tell(study: optuna.Study, trial: FrozenTrial, result: JobReturn) -> None:
    """Tell the study how a trial ended."""
    study.sampler = optuna.samplers.RandomSampler()  # a grid's, at its last point, would stop `optuna.Study.optimize`
    value = _value(result)
    same = (other for other in study.get_trials(deepcopy=False) if other.params == trial.params)  # trained only once
    is_pruned = any(PRUNED in other.user_attrs for other in same)
    if is_pruned:
        study.tell(trial.number, state=TrialState.PRUNED)
    elif value is not None and math.isfinite(value):
        study.tell(trial.number, value)
    else:
        study.tell(trial.number, state=TrialState.FAIL)
    if value is None and not is_pruned:
        message = "monitors nothing, so there is nothing to optimise; choose a metric with recipe.monitor=METRIC"
        raise SearchError(f"trial {trial.number} {message}")


def _value(result: JobReturn) -> float | None:
    """A job's value: None if it monitors nothing, not finite if it has failed."""
    if result.status != JobStatus.COMPLETED:
        return math.nan
    return None if result.return_value is None else float(result.return_value)
