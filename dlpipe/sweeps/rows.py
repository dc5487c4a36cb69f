"""A row for each job of a sweep, from the sweep's record and the job's summary."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlpipe.runs.directory import read_summary
from dlpipe.sweeps.record import FINISHED, JobRecord, read_jobs

DAMAGED = "damaged"  # the status of a job whose summary cannot be read
NOT_SWEPT = ("resume", "output_dir", "hydra", "sweep")  # keys that say how and where a job is run


@dataclass(frozen=True)
class Best:
    """The best validation of a job; ``mode`` is ``min`` if less is better, else ``max``."""

    metric: str
    value: float
    epoch: int
    mode: str = "min"

    @property
    def rank(self) -> tuple[str, float]:
        """Sort key: the best first, each metric by itself."""
        return (self.metric, -self.value if self.mode == "max" else self.value)


@dataclass(frozen=True)
class Row:
    """One job of a sweep.

    Args:
        name: its directory in the sweep's.
        setting: equal for jobs that differ in nothing but the seed.
        overrides: key to value, as written, in the order of the request.
        status: as in the record, or ``damaged``.
        error: why it failed, in one line.
        seed: the seed it was trained with; empty if it is not known.
        best: its best validation; None if it monitored nothing, or if the value is not finite.
        test: its test metrics.
        updates_per_second: its speed.
    """

    name: str
    setting: str
    overrides: dict[str, str]
    status: str
    error: str = ""
    seed: str = ""
    best: Best | None = None
    test: dict[str, float] = field(default_factory=dict)
    updates_per_second: float | None = None

    @property
    def is_ranked(self) -> bool:
        """Whether the job can be the best: it is finished, and its best value is finite."""
        return self.status == FINISHED and self.best is not None


def read_rows(sweep_dir: Path) -> list[Row]:
    """The rows of a sweep's jobs, the best on validation first, then jobs that are not ranked, as they were planned.

    Raises:
        DlpipeError: the record of the sweep cannot be read.
    """
    rows = [_read(sweep_dir / job.name, job) for job in read_jobs(sweep_dir)]
    return sorted(rows, key=lambda row: (False, row.best.rank) if row.is_ranked and row.best else (True, ("", 0.0)))


def _read(run_dir: Path, job: JobRecord) -> Row:
    """A row; a damaged summary costs only its own. The config is not read: checking it takes 0.4 s a job."""
    overrides = _by_key(job.overrides)
    try:
        return _row(job, overrides, read_summary(run_dir))
    except Exception as error:  # a file may be damaged in any way
        message = " ".join(str(error).split()) or type(error).__name__
        return Row(job.name, job.setting, overrides, DAMAGED, message)


def _by_key(overrides: list[str]) -> dict[str, str]:
    pairs = (text.lstrip("+").partition("=") for text in overrides)
    return {key: value for key, _, value in pairs if key.replace("/", ".").split(".")[0] not in NOT_SWEPT}


def _row(job: JobRecord, overrides: dict[str, str], summary: dict[str, Any]) -> Row:
    best = summary.get("best")
    speed = summary.get("updates_per_second")
    return Row(
        job.name,
        job.setting,
        overrides,
        job.status,
        job.error,
        str(summary.get("seed", overrides.get("seed", ""))),
        _best(best) if best else None,
        {str(metric): float(value) for metric, value in summary.get("test", {}).items()},
        None if speed is None else float(speed),
    )


def _best(best: dict[str, Any]) -> Best | None:
    """None for a value that is not finite, which is null in the summary."""
    value = math.nan if best["value"] is None else float(best["value"])
    if not math.isfinite(value):
        return None
    return Best(str(best["metric"]), value, int(best["epoch"]), str(best.get("mode", "min")))
