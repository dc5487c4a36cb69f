"""The results of a sweep as files: sweep.csv has a row a job, sweep-summary.csv a row a setting."""

import csv
import io
from pathlib import Path
from typing import Any

from dlpipe.runs.directory import write_text
from dlpipe.sweeps.rows import Row
from dlpipe.sweeps.settings import Setting, Statistics

JOBS_CSV = "sweep.csv"
SUMMARY_CSV = "sweep-summary.csv"


def write_jobs(sweep_dir: Path, rows: list[Row]) -> Path:
    """Write sweep.csv, with every column that any job has."""
    return _write(sweep_dir / JOBS_CSV, [job_columns(row) for row in rows])


def write_settings(sweep_dir: Path, settings: list[Setting]) -> Path:
    """Write sweep-summary.csv, with every column that any setting has."""
    return _write(sweep_dir / SUMMARY_CSV, [setting_columns(setting) for setting in settings])


def job_columns(row: Row) -> dict[str, Any]:
    """A row of sweep.csv; errors are fractions."""
    return {
        "job": row.name,
        **row.overrides,
        "status": row.status,
        "error": row.error,
        "setting": row.setting,
        "metric": row.best and row.best.metric,
        "best": row.best and row.best.value,
        "epoch": row.best and row.best.epoch,
        **row.test,
        "updates_per_second": row.updates_per_second,
    }


def setting_columns(setting: Setting) -> dict[str, Any]:
    """A row of sweep-summary.csv; ``METRIC_of_best`` is the test of the job that is best on validation."""
    best = setting.best
    columns: dict[str, Any] = {
        "setting": setting.name,
        **setting.overrides,
        "jobs": len(setting.rows),
        "finished": len(setting.finished),
        "metric": setting.metric,
        **_mean_and_std("", setting.validation),
        "best": best and best.best and best.best.value,
        "best_job": best and best.name,
    }
    for metric, statistics in setting.test.items():
        of_best = {f"{metric}_of_best": best.test.get(metric)} if best else {}
        columns |= of_best | _mean_and_std(f"{metric}_", statistics)
    return columns


def _mean_and_std(prefix: str, statistics: Statistics | None) -> dict[str, float | None]:
    if statistics is None:
        return {f"{prefix}mean": None, f"{prefix}std": None}
    return {f"{prefix}mean": statistics.mean, f"{prefix}std": statistics.std}


def columns_of(rows: list[dict[str, Any]]) -> list[str]:
    """The keys that any row has, in the order in which they first appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns_of(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    return path
