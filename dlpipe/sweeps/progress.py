"""How far a sweep is: the lines of ``status SWEEP``, which the sweep itself prints whenever a job ends."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from dlpipe.errors import DlpipeError
from dlpipe.metrics import format_metric
from dlpipe.runs.directory import read_summary
from dlpipe.sweeps.record import (
    DIVERGED,
    ENDED,
    FAILED,
    FINISHED,
    INTERRUPTED,
    PRUNED,
    RUNNING,
    WAITING,
    JobRecord,
    read_jobs,
)
from dlpipe.sweeps.rows import read_rows

POLL_SECONDS = 1.0
SHOWN = 5  # jobs of a kind that status lists
ORDER = (FINISHED, PRUNED, DIVERGED, FAILED, RUNNING, INTERRUPTED, WAITING)


class Progress:
    """Print a line for each job that ends while the sweep runs.

    Args:
        sweep_dir: the sweep's directory.
    """

    def __init__(self, sweep_dir: Path) -> None:
        self.sweep_dir = sweep_dir
        self.ended = {job.name for job in read_jobs(sweep_dir) if job.status in ENDED}

    @contextlib.contextmanager
    def shown(self, launcher: Launcher) -> Iterator[None]:
        """Print while the launcher runs: after each of its jobs if they run in this process, else once a second."""
        if type(launcher).__name__ == "BasicLauncher":
            with self._after_each_job(launcher):
                yield
            return
        is_done = threading.Event()
        thread = threading.Thread(target=self._watch, args=(is_done,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_done.set()
            thread.join()
            self.print_ended()

    @contextlib.contextmanager
    def _after_each_job(self, launcher: Any) -> Iterator[None]:
        task = launcher.task_function

        def task_and_line(config: DictConfig) -> Any:
            try:
                return task(config)
            finally:
                self.print_ended()

        launcher.task_function = task_and_line
        try:
            yield
        finally:
            launcher.task_function = task

    def _watch(self, is_done: threading.Event) -> None:
        while not is_done.wait(POLL_SECONDS):
            with contextlib.suppress(DlpipeError):
                self.print_ended()

    def print_ended(self) -> None:
        """Print a line for each job that has ended since the last call, and one for the sweep."""
        jobs = read_jobs(self.sweep_dir)
        new = [job for job in jobs if job.status in ENDED and job.name not in self.ended]
        self.ended |= {job.name for job in new}
        for job in new:
            print(job_line(self.sweep_dir, job), flush=True)
        if new:
            print(counts_line(jobs), flush=True)


def status_lines(sweep_dir: Path) -> list[str]:
    """How many jobs are done, running, failed and waiting, the best so far, the time to go, and what failed."""
    jobs = read_jobs(sweep_dir)
    lines = [f"{sweep_dir}: {counts_line(jobs)}"]
    ranked = [row for row in read_rows(sweep_dir) if row.is_ranked]
    if len({row.best.metric for row in ranked if row.best}) == 1:
        (best,) = [job for job in jobs if job.name == ranked[0].name]
        lines.append(f"  best: {job_line(sweep_dir, best)}")
    for status in (RUNNING, FAILED, INTERRUPTED):
        own = [job for job in jobs if job.status == status]
        lines += [f"  {job_line(sweep_dir, job)}" for job in own[:SHOWN]]
        lines += [f"  and {len(own) - SHOWN} more {status}"] if len(own) > SHOWN else []
    return lines


def counts_line(jobs: list[JobRecord]) -> str:
    """``20 jobs: 12 finished, 1 failed, 2 running, 5 waiting; about 3 min left``."""
    counts = Counter(job.status for job in jobs)
    text = ", ".join(f"{counts[status]} {status}" for status in ORDER if counts[status])
    left = seconds_left(jobs)
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {text or 'none planned'}" + (
        f"; about {_duration(left)} left" if left else ""
    )


def seconds_left(jobs: list[JobRecord]) -> float:
    """The time that the remaining jobs take, from the mean of those that have ended; 0 if it is not known."""
    took = [(job.ended - job.started).total_seconds() for job in jobs if job.ended and job.started]
    remaining = [job for job in jobs if job.status in (WAITING, RUNNING)]
    if not took or not remaining:
        return 0.0
    at_once = max(1, sum(job.status == RUNNING for job in jobs))
    return sum(took) / len(took) * len(remaining) / at_once


def job_line(sweep_dir: Path, job: JobRecord) -> str:
    """``3-mlp model=mlp optimizer.lr=0.1 finished: val/error 5.2 %``."""
    result = job.error
    with contextlib.suppress(DlpipeError):
        best = read_summary(sweep_dir / job.name).get("best")
        if not result and best and best["value"] is not None:
            result = format_metric(best["metric"], best["value"])
    text = " ".join([job.name, *(override.lstrip("+") for override in job.overrides), job.status])
    return f"{text}: {result}" if result else text


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return str(timedelta(minutes=round(seconds / 60)))[:-3] + " h"
