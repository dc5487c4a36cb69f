"""A search whose jobs are a function of their overrides, and take no time."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.dlpipe_optuna_sweeper.optuna_sweeper import DEFAULTS
from omegaconf import OmegaConf

from dlpipe_optuna.journal import STUDY, open_storage
from dlpipe_optuna.search import search


class Killed(BaseException):
    """What ends a process in these tests."""


class Loader:
    """Composes what a search reads of a job's config."""

    def __init__(self, monitor_mode: str):
        self.monitor_mode = monitor_mode

    def load_sweep_config(self, config: Any, overrides: list[str]) -> Any:
        return OmegaConf.create({"seed": 1234, "recipe": {"monitor_mode": self.monitor_mode}})


class Jobs:
    """A launcher that remembers the jobs it was given; ``killed_at`` is the number of the job that never ends."""

    def __init__(self, value: Callable[[dict[str, float]], Any], killed_at: float):
        self.value, self.killed_at = value, killed_at
        self.seen: dict[int, list[str]] = {}

    def launch(self, job_overrides: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        results = []
        for number, texts in enumerate(job_overrides, initial_job_idx):
            self.seen[number] = texts
            if number >= self.killed_at:
                raise Killed
            result = JobReturn(overrides=texts, status=JobStatus.COMPLETED)
            result.return_value = self.value(dict(text.split("=", 1) for text in texts))
            results.append(result)
        return results


def bowl(values: dict[str, Any]) -> float:
    """Least at x = 0.1, n = 3."""
    return (math.log10(float(values["x"])) + 1) ** 2 + (int(values["n"]) - 3) ** 2


@pytest.fixture
def run_search(tmp_path: Path) -> Callable[..., Jobs]:
    """A function that searches in ``tmp_path / "sweep"``; returns the launcher."""

    def run(
        *arguments: str,
        value: Callable[[dict[str, Any]], Any] = bowl,
        killed_at: float = math.inf,
        folder: str = "sweep",
        mode: str = "min",
        **settings: Any,
    ) -> Jobs:
        sweeper = {**DEFAULTS, "n_trials": 6, **settings}
        config = OmegaConf.create({"hydra": {"sweeper": sweeper, "sweep": {"dir": str(tmp_path / folder)}}})
        jobs = Jobs(value, killed_at)
        search(config, Loader(mode), jobs, list(arguments))  # type: ignore[arg-type]
        return jobs

    return run


@pytest.fixture
def read_trials(tmp_path: Path) -> Callable[..., list[optuna.trial.FrozenTrial]]:
    """A function that reads the trials of a search from its journal."""

    def read(folder: str = "sweep") -> list[optuna.trial.FrozenTrial]:
        trials: list[optuna.trial.FrozenTrial] = optuna.load_study(
            study_name=STUDY, storage=open_storage(tmp_path / folder)
        ).trials
        return trials

    return read
