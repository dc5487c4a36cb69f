"""Between Hydra's sweeper and its launcher: each job gets a directory by its identity, and is trained only once."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from dlpipe.config.compose import JobLoader, quoted
from dlpipe.errors import DlpipeError, format_list
from dlpipe.runs.directory import read_summary
from dlpipe.sweeps.identity import Identity, identify
from dlpipe.sweeps.progress import Progress
from dlpipe.sweeps.record import (
    DONE,
    FAILED,
    FINISHED,
    INTERRUPTED,
    PLANNED,
    PRUNED,
    RUNNING,
    WAITING,
    JobRecord,
    append,
    append_all,
    read_jobs,
)
from dlpipe.training.callbacks.monitor import worst

POLL_SECONDS = 1.0
SUBDIR = "hydra.sweep.subdir"
PRESET = "launcher="  # is the sweep's, not a job's: the sweep may be resumed with another one


@dataclass
class Sweep:
    """A sweep that this process runs.

    Args:
        directory: absolute.
        retry_failed: run jobs again that have failed.
        force: run jobs whose config is another than when they were planned, as new ones.
        problem: why the sweep was refused; Hydra ends with its own exit code then.
    """

    directory: Path
    retry_failed: bool = False
    force: bool = False
    problem: DlpipeError | None = field(default=None, init=False)


class OncePerJob(Launcher):
    """Hand to another launcher only the jobs that the sweep's record does not have as ended.

    A sweeper gets the value of every job it asked for: infinity, or minus infinity where more is better, for one that
    has none, as it would end the sweep, or its study, at an exception or NaN.
    """

    def __init__(self, launcher: Launcher, sweep: Sweep, loader: JobLoader) -> None:
        self.launcher = launcher
        self.sweep = sweep
        self.loader = loader
        self.config: DictConfig | None = None
        self.progress = Progress(sweep.directory)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what composes the config of a job, and give a job the preset of now: another may have planned it."""
        self.config = config
        preset = [text for text in config.hydra.overrides.task if text.startswith(PRESET)]
        config.hydra.overrides.hydra = [*preset, *config.hydra.overrides.hydra]  # the inner launcher has this config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run the jobs that are not done, and wait for those that other processes run; return all in their order.

        Raises:
            SystemExit: ``sweep.problem`` says why the sweep is refused; or a job was not run, as too many failed, or
                not to its end. Hydra ends then, and would print the traceback of another exception.
        """
        try:
            asked = self._plan([[text for text in own if not text.startswith(PRESET)] for own in job_overrides])
        except DlpipeError as error:
            self.sweep.problem = error
            raise SystemExit(2) from error
        if (different := len(set(asked))) < len(asked):
            same = "others differ from these in nothing that changes the weights"
            print(f"{len(asked)} jobs were asked for, which are {different}: {same}", flush=True)
        self._plan_again_where_deleted(asked)
        planned = {job.name: job for job in read_jobs(self.sweep.directory)}
        statuses = (WAITING, INTERRUPTED, *([FAILED] if self.sweep.retry_failed else []))
        self._run([job for job in planned.values() if job.name in asked and job.status in statuses], initial_job_idx)
        elsewhere = [name for name in asked if planned[name].status == RUNNING]
        self._wait(elsewhere)
        ended = [job for job in read_jobs(self.sweep.directory) if job.name in elsewhere]
        self._run([job for job in ended if job.status == INTERRUPTED], initial_job_idx)
        if any(job.status in (WAITING, INTERRUPTED) for job in read_jobs(self.sweep.directory) if job.name in asked):
            raise SystemExit(1)  # a sweeper must not take a value for a job that was not run, or a worker that died
        return [self._return(name, list(overrides)) for name, overrides in zip(asked, job_overrides, strict=True)]

    def _plan(self, job_overrides: list[list[str]]) -> list[str]:
        """The names of the jobs; new ones are added to the record."""
        known = read_jobs(self.sweep.directory)
        names = {job.identity: job.name for job in known}
        typed = {tuple(job.overrides) for job in known}
        configs = [self.loader.compose(overrides) for overrides in job_overrides]
        identities = [identify(config) for config in configs]
        new: dict[str, dict[str, Any]] = {}
        changed = []
        for overrides, config, identity in zip(job_overrides, configs, identities, strict=True):
            if identity.job in names:
                continue
            if tuple(overrides) in typed:
                changed.append(" ".join(overrides))
            names[identity.job] = name = self._subdir(config, len(names))
            new[identity.job] = _planned(name, identity, overrides)
        self._refuse(changed)
        append_all(self.sweep.directory, list(new.values()))
        return [names[identity.job] for identity in identities]

    def _plan_again_where_deleted(self, names: list[str]) -> None:
        """Record jobs as interrupted that had ended, and whose directory the user has deleted."""
        jobs = [job for job in read_jobs(self.sweep.directory) if job.name in names and job.status in DONE]
        for job in jobs:
            if not (self.sweep.directory / job.name).exists():
                append(self.sweep.directory, INTERRUPTED, job.name)

    def _subdir(self, config: DictConfig, number: int) -> str:
        """The folder of a new job below the sweep's, from the pattern ``hydra.sweep.subdir`` of the request."""
        assert self.config is not None
        with open_dict(config):
            config.hydra.sweep.subdir = dict(self.config.hydra.sweep.items_ex(resolve=False))["subdir"]
            config.hydra.job.num = config.hydra.job.id = number
        return str(config.hydra.sweep.subdir)

    def _refuse(self, changed: list[str]) -> None:
        """Refuse jobs that the same overrides compose to another config than before."""
        if changed and not self.sweep.force:
            jobs = f"{format_list(changed[:3])}{f' and {len(changed) - 3} more' if len(changed) > 3 else ''}"
            message = f"{self.sweep.directory}: the config of {jobs} is another than when the sweep was started"
            raise DlpipeError(
                f"{message}; undo what has changed, start another sweep, or train them anew with: "
                f"python -m dlpipe resume {self.sweep.directory} --force"
            )

    def _run(self, jobs: list[JobRecord], initial_job_idx: int) -> None:
        if not jobs:
            return
        assert self.config is not None
        size = self.config.sweep.max_batch_size or len(jobs)
        overrides = [[*job.overrides, f"{SUBDIR}={quoted(job.name)}"] for job in jobs]
        with self.progress.shown(self.launcher):
            for start in range(0, len(jobs), size):
                self.launcher.launch(overrides[start : start + size], initial_job_idx=initial_job_idx + start)

    def _wait(self, names: list[str]) -> None:
        """Wait for jobs that another process runs: a worker of a killed sweep, or a job of a cluster."""
        if names:
            print(f"waiting for {format_list(names)}, which another process runs", flush=True)
        while any(job.status == RUNNING for job in read_jobs(self.sweep.directory) if job.name in names):
            time.sleep(POLL_SECONDS)

    def _return(self, name: str, overrides: list[str]) -> JobReturn:
        value = self._value(name, overrides)
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=value)

    def _value(self, name: str, overrides: list[str]) -> float | None:
        """The job's best value; None if it finished without monitoring one."""
        summary: dict[str, Any] = {}
        with contextlib.suppress(DlpipeError):  # damaged: it has no value
            summary = read_summary(self.sweep.directory / name)
        best = summary.get("best")
        if summary.get("status") in (FINISHED, PRUNED) and (best is None or best["value"] is not None):
            return None if best is None else float(best["value"])
        return worst(self.loader.compose(overrides).recipe.monitor_mode)


@contextlib.contextmanager
def each_job_once(sweep: Sweep) -> Iterator[None]:
    """While Hydra runs a sweep, put `OncePerJob` around the launcher that its sweeper makes, whichever they are.

    Only the first is wrapped, and before it is used: a launcher may pickle Hydra's plugins. The sweeper does not
    compose each job to check it, 0.2 s each: the request has been checked.
    """
    plugins = Plugins.instance()
    validate = Sweeper.validate_batch_is_legal
    make = plugins.instantiate_launcher

    def instantiate(hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> Launcher:
        vars(plugins).pop("instantiate_launcher", None)
        loader = JobLoader(hydra_context.config_loader)
        context = HydraContext(config_loader=loader, callbacks=hydra_context.callbacks)
        launcher = OncePerJob(make(context, task_function, config), sweep, loader)
        launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        return launcher

    plugins.instantiate_launcher = instantiate  # type: ignore[method-assign]
    Sweeper.validate_batch_is_legal = lambda sweeper, batch: None  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Sweeper.validate_batch_is_legal = validate  # type: ignore[method-assign]
        vars(plugins).pop("instantiate_launcher", None)


def _planned(name: str, identity: Identity, overrides: list[str]) -> dict[str, Any]:
    return {
        "event": PLANNED,
        "job": name,
        "identity": identity.job,
        "setting": identity.setting,
        "overrides": overrides,
    }
