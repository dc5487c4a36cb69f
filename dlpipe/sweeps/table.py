"""The table of a sweep: every job's results, ranked on validation."""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dlpipe.metrics import format_value
from dlpipe.runs.directory import CONFIG, read_provenance, read_summary, write_text

TABLE = "sweep.csv"
VALIDATION = re.compile(r"^val(id|idation)?(?=[/_])")  # of a metric's name; its test has the same name otherwise


@dataclass(frozen=True)
class Best:
    """The best validation of a job; ``mode`` is ``min`` if less is better, else ``max``."""

    metric: str
    value: float
    epoch: int
    mode: str


@dataclass(frozen=True)
class Job:
    """One job of a sweep, read from its directory."""

    name: str
    overrides: dict[str, str]
    status: str
    best: Best | None = None
    test: dict[str, float] = field(default_factory=dict)
    updates_per_second: float | None = None

    @property
    def rank(self) -> tuple[bool, str, float]:
        """Sort key: the best first, each metric by itself, jobs that diverged or have no value last."""
        if self.best is None or self.status == "diverged":
            return (True, "", 0.0)
        return (False, self.best.metric, self.best.value if self.best.mode == "min" else -self.best.value)

    def row(self) -> dict[str, Any]:
        """A row of sweep.csv."""
        return {
            "job": self.name,
            **self.overrides,
            "status": self.status,
            "metric": self.best and self.best.metric,
            "best": self.best and self.best.value,
            "epoch": self.best and self.best.epoch,
            **self.test,
            "updates_per_second": self.updates_per_second,
        }


def collect(sweep_dir: Path) -> list[Job]:
    """The jobs in a sweep's directory, ranked; those that diverged or have no value last, in the order they ran."""
    folders = [path.parent for path in sweep_dir.rglob(CONFIG) if (path.parent / ".hydra").is_dir()]
    jobs = [_read(folder, str(folder.relative_to(sweep_dir))) for folder in sorted(folders, key=_order)]
    return sorted(jobs, key=lambda job: job.rank)


def _order(folder: Path) -> tuple[int, str]:
    number = folder.name.partition("-")[0]
    return (int(number) if number.isdigit() else 0, str(folder))


def _read(folder: Path, name: str) -> Job:
    """A job; a damaged one costs only its own row. Its config is not read: checking it takes 0.4 s per job."""
    overrides: dict[str, str] = {}
    try:
        overrides = _overrides(folder)
        return _job(name, overrides, read_summary(folder))
    except Exception as error:  # a file may be damaged in any way
        return Job(name, overrides, f"damaged: {' '.join(str(error).split()) or type(error).__name__}")


def _overrides(folder: Path) -> dict[str, str]:
    # Hydra overwrites its own file if the sweep is started once more, with other values
    texts = read_provenance(folder).get("overrides") or OmegaConf.load(folder / ".hydra" / "overrides.yaml")
    pairs = (str(text).lstrip("+").partition("=") for text in texts)
    return {key: value for key, _, value in pairs}


def _job(name: str, overrides: dict[str, str], summary: dict[str, Any]) -> Job:
    """A job from its summary; a job without one did not get as far as training."""
    best = summary.get("best")
    speed = summary.get("updates_per_second")
    return Job(
        name,
        overrides,
        str(summary.get("status", "failed")),
        _best(best) if best else None,
        {str(metric): float(value) for metric, value in summary.get("test", {}).items()},
        None if speed is None else float(speed),
    )


def _best(best: dict[str, Any]) -> Best | None:
    """None for a value that is not finite, which is null in the summary."""
    if best["value"] is None:
        return None
    return Best(str(best["metric"]), float(best["value"]), int(best["epoch"]), best.get("mode", "min"))


def write_table(sweep_dir: Path, jobs: list[Job]) -> Path:
    """sweep.csv, with every column that any job has."""
    rows = [job.row() for job in jobs]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(sweep_dir / TABLE, text.getvalue())
    return sweep_dir / TABLE


def lines(jobs: list[Job]) -> list[str]:
    """The ranking for the terminal: what the jobs differ in, and how they are ranked; sweep.csv has the rest."""
    shared = _shared_overrides(jobs)
    rows = [_cells(job, shared) for job in jobs]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    common = " ".join(f"{key}={value}" for key, value in shared.items())
    title = f"jobs ranked on validation{', all with ' + common if common else ''}:"
    return [title, *("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)]


def _shared_overrides(jobs: list[Job]) -> dict[str, str]:
    """The overrides of all jobs; a damaged job whose overrides cannot be read has none."""
    readable = [job.overrides for job in jobs if job.overrides]
    first = readable[0] if readable else {}
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in readable)}


def _cells(job: Job, shared: dict[str, str]) -> dict[str, str]:
    cells = {"job": job.name} | {key: value for key, value in job.overrides.items() if key not in shared}
    if job.status != "finished":
        cells["status"] = job.status
    if job.best:
        metric = job.best.metric
        test = VALIDATION.sub("test", metric)
        cells |= {f"best {metric}": format_value(metric, job.best.value), "epoch": str(job.best.epoch)}
        cells |= {test: format_value(test, job.test[test])} if test in job.test else {}
    return cells
