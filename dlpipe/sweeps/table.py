"""The table of a sweep: every job's numbers, ranked on validation."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dlpipe.metrics import format_value
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import CONFIG, read_provenance, read_summary, write_text
from dlpipe.training.callbacks.monitor import Mode

TABLE = "sweep.csv"


@dataclass(frozen=True)
class Job:
    """One job of a sweep, as its directory tells it."""

    name: str
    overrides: dict[str, str]
    mode: Mode
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """A job without a summary did not get as far as training."""
        return str(self.summary.get("status", "failed"))

    @property
    def best(self) -> dict[str, Any]:
        """Metric, value and epoch of the best validation; empty without one."""
        return self.summary.get("best") or {}

    @property
    def test(self) -> dict[str, float]:
        """The test of the best weights; empty without one."""
        return dict(self.summary.get("test", {}))

    @property
    def rank(self) -> tuple[bool, str, float]:
        """Order in the table: the best first, each metric by itself, jobs without a value last."""
        if not self.best:
            return (True, "", 0.0)
        value = self.best["value"]
        return (False, self.best["metric"], value if self.mode == "min" else -value)

    def row(self) -> dict[str, Any]:
        """A row of sweep.csv."""
        return {
            "job": self.name,
            **self.overrides,
            "status": self.status,
            "metric": self.best.get("metric"),
            "best": self.best.get("value"),
            "epoch": self.best.get("epoch"),
            **self.test,
            "updates_per_second": self.summary.get("updates_per_second"),
        }


def collect(sweep_dir: Path) -> list[Job]:
    """The jobs in a sweep's directory, ranked; those without a value last, in the order they ran."""
    folders = [path.parent for path in sweep_dir.rglob(CONFIG) if (path.parent / ".hydra").is_dir()]
    jobs = [_read(folder, sweep_dir) for folder in sorted(folders, key=_order)]
    return sorted(jobs, key=lambda job: job.rank)


def _order(folder: Path) -> tuple[int, str]:
    number = folder.name.partition("-")[0]
    return (int(number) if number.isdigit() else 0, str(folder))


def _read(folder: Path, sweep_dir: Path) -> Job:
    # Hydra writes its own file anew where the sweep is asked for once more, with whatever values
    texts = read_provenance(folder).get("overrides") or OmegaConf.load(folder / ".hydra" / "overrides.yaml")
    pairs = (str(text).lstrip("+").partition("=") for text in texts)
    return Job(
        name=str(folder.relative_to(sweep_dir)),
        overrides={key: value for key, _, value in pairs},
        mode=read_config(folder).recipe.monitor_mode,
        summary=read_summary(folder),
    )


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
    """The ranking for people: what the jobs differ in and the numbers they are judged by; sweep.csv has the rest."""
    shared = set.intersection(*(set(job.overrides.items()) for job in jobs))
    rows = [_cells(job, shared) for job in jobs]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    common = " ".join(f"{key}={value}" for key, value in jobs[0].overrides.items() if (key, value) in shared)
    title = f"jobs ranked on validation{', all with ' + common if common else ''}:"
    return [title, *("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)]


def _cells(job: Job, shared: set[tuple[str, str]]) -> dict[str, str]:
    cells = {"job": job.name} | {key: value for key, value in job.overrides.items() if (key, value) not in shared}
    if job.status != "finished":
        cells["status"] = job.status
    if job.best:
        metric = job.best["metric"]
        test = f"test/{metric.partition('/')[2]}"
        cells |= {f"best {metric}": format_value(metric, job.best["value"]), "epoch": str(job.best["epoch"])}
        cells |= {test: format_value(test, job.test[test])} if test in job.test else {}
    return cells
