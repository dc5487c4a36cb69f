"""The table of a sweep: every job's numbers, ranked on validation."""

import csv
import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dlpipe.metrics import told_value
from dlpipe.run_directory import CONFIG, SUMMARY

TABLE = "sweep.csv"


def collect(sweep_dir: Path) -> list[dict[str, Any]]:
    """One row a job, best validation first; jobs without a result last, in their order."""
    rows = []
    for config in sorted(sweep_dir.glob(f"*/{CONFIG}"), key=lambda path: _job_number(path.parent)):
        job = config.parent
        summary = json.loads((job / SUMMARY).read_text()) if (job / SUMMARY).exists() else {}
        overrides = OmegaConf.load(job / ".hydra" / "overrides.yaml")
        mode = OmegaConf.load(config).recipe.monitor_mode
        best = summary.get("best") or {}
        rows.append(
            {
                "job": job.name,
                "overrides": " ".join(str(override) for override in overrides),
                "status": summary.get("status", "failed"),
                "metric": best.get("metric", ""),
                "best": best.get("value"),
                "epoch": best.get("epoch"),
                **summary.get("test", {}),
                "updates_per_second": summary.get("updates_per_second"),
                "_rank": _rank(best.get("value"), mode),
            }
        )
    rows.sort(key=lambda row: row["_rank"])
    return [{key: value for key, value in row.items() if key != "_rank"} for row in rows]


def _job_number(job: Path) -> tuple[int, str]:
    number = job.name.partition("-")[0]
    return (int(number) if number.isdigit() else 0, job.name)


def _rank(value: float | None, mode: str) -> tuple[bool, float]:
    if value is None:
        return (True, 0.0)
    return (False, value if mode == "min" else -value)


def write_table(sweep_dir: Path, rows: list[dict[str, Any]]) -> Path:
    """sweep.csv, with every column that any job has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    path = sweep_dir / TABLE
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def print_table(rows: list[dict[str, Any]]) -> None:
    """The ranking on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="sweep, ranked on validation", title_justify="left")
    tests = list(dict.fromkeys(key for row in rows for key in row if key.startswith("test/")))
    for column in ("#", "overrides", "best validation", "epoch", *tests, "updates/s", "job"):
        table.add_column(column, overflow="fold", no_wrap=column not in ("overrides", "job"))
    for place, row in enumerate(rows, start=1):
        best = told_value(row["metric"], row["best"]) if row["best"] is not None else row["status"]
        speed = f"{row['updates_per_second']:.0f}" if row["updates_per_second"] else ""
        scores = [told_value(test, row[test]) if test in row else "" for test in tests]
        table.add_row(str(place), row["overrides"], best, str(row["epoch"] or ""), *scores, speed, row["job"])
    console = Console()
    # a table cut to a pipe's 80 columns would hide the numbers it is for
    console.print(table, width=console.width if console.is_terminal else 160)
