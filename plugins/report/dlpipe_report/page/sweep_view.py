"""What the page shows of a sweep: its settings and jobs as tables, their values as parallel coordinates, and curves."""

import math
from dataclasses import dataclass
from typing import Any

import dlpipe
from dlpipe.metrics import is_percentage
from dlpipe_report.page.pictures import is_inside
from dlpipe_report.page.run_view import RunView, view_of
from dlpipe_report.page.table import EMPTY, Cell, Row, Table, drop_empty, metric_cell, metric_column, word

MAX_JOBS = 50  # whose curves are shown
MAX_POINTS = 400  # of each curve
MAX_LINES = 3  # that name a job
MAX_ROWS = 2000  # of a table


@dataclass(frozen=True)
class SweepView:
    """A sweep by its files."""

    name: str
    counts: str
    shared: list[tuple[str, str]]
    settings: Table
    jobs: Table
    coordinates: dict[str, Any]
    runs: list[RunView]
    lines: list[str]  # what is left out, and why
    best: str


def sweep_view(sweep: dlpipe.Sweep) -> SweepView:
    """Read the record and the jobs' summaries, and the curves of the best; a damaged job costs only its own."""
    runs, lines = _best_runs(sweep)
    statuses = [job.status for job in sweep.jobs]
    first = sweep.settings[0].overrides if sweep.settings else {}
    several = any(len(setting.rows) > 1 for setting in sweep.settings)
    if len(statuses) > MAX_ROWS:
        lines.append(f"The tables have the first {MAX_ROWS:,} of {len(statuses):,} jobs; sweep.csv has all.")
    return SweepView(
        sweep.directory.name,
        ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)),
        [(key, value) for key, value in first.items() if key not in sweep.keys],
        settings_table(sweep) if several else Table([]),
        jobs_table(sweep, {view.name: index for index, view in enumerate(runs)}),
        coordinates(sweep),
        runs,
        lines,
        next((job.name for job in sweep.jobs if job.is_ranked), ""),
    )


def settings_table(sweep: dlpipe.Sweep) -> Table:
    """A row for each setting, the best mean on validation first."""
    metrics = dict.fromkeys(setting.metric for setting in sweep.settings if setting.metric)
    tests = dict.fromkeys(name for setting in sweep.settings for name in setting.test)
    columns = ["rank", *sweep.keys, "finished", *(f"{metric_column(m)} mean \u00b1 std" for m in metrics)]
    columns += [*(f"best {metric_column(metric)}" for metric in metrics)]
    columns += [*(f"{metric_column(name)} mean \u00b1 std" for name in tests), "best job", "not finished"]
    rows = []
    for rank, setting in enumerate(sweep.settings[:MAX_ROWS], 1):
        statuses = [row.status for row in setting.rows]
        cells = [word(rank), *(word(setting.overrides.get(key, "")) for key in sweep.keys)]
        cells.append(Cell(f"{statuses.count('finished')} of {len(statuses)}", float(statuses.count("finished"))))
        own = {setting.metric: setting.validation} if setting.metric else {}
        cells += [_mean(metric, own.get(metric)) for metric in metrics]
        cells += [_best(metric, setting.best) for metric in metrics]
        cells += [_mean(name, setting.test.get(name)) for name in tests]
        others = [status for status in dict.fromkeys(statuses) if status != "finished"]
        cells.append(word(setting.best.name if setting.best else ""))
        cells.append(word(", ".join(f"{statuses.count(status)} {status}" for status in others)))
        rows.append(Row(cells))
    return drop_empty(Table(columns, rows))


def jobs_table(sweep: dlpipe.Sweep, runs: dict[str, int]) -> Table:
    """A row for each job, the best on validation first; ``runs`` has the number of the page's curves by job."""
    metrics = dict.fromkeys(job.best.metric for job in sweep.jobs if job.best)
    tests = dict.fromkeys(name for job in sweep.jobs for name in job.test)
    columns = ["job", "status", *sweep.keys, "seed", *(f"best {metric_column(metric)}" for metric in metrics), "epoch"]
    columns += [*map(metric_column, tests), "updates/s", "error"]
    rows = []
    for job in sweep.jobs[:MAX_ROWS]:
        cells = [word(job.name), word(job.status), *(word(job.overrides.get(key, "")) for key in sweep.keys)]
        cells.append(word(job.seed))
        cells += [_best(metric, job) for metric in metrics]
        cells.append(word(job.best.epoch if job.best else ""))
        cells += [metric_cell(name, job.test.get(name)) for name in tests]
        speed = job.updates_per_second
        cells += [EMPTY if speed is None else Cell(f"{speed:,.1f}", speed), word(job.error)]
        rows.append(Row(cells, runs.get(job.name), job.name))
    return drop_empty(Table(columns, rows))


def coordinates(sweep: dlpipe.Sweep) -> dict[str, Any]:
    """Axes and a line for each job with a finite value: swept values as text, then the metric.

    The metric is the one that most of the ranked jobs monitor, or the first test metric where none is monitored.
    """
    monitored = [job.best.metric for job in sweep.jobs if job.best]
    tests = [name for job in sweep.jobs for name in job.test]
    metric = max(dict.fromkeys(monitored), key=monitored.count) if monitored else next(iter(tests), "")
    scale = 100 if is_percentage(metric) else 1
    jobs, modes = [], []
    for job in sweep.jobs[:MAX_ROWS]:
        own = job.best if job.best and job.best.metric == metric else None
        value = own.value if own else job.test.get(metric, math.nan)
        if math.isfinite(value) and job.status == "finished":
            modes += [own.mode] if own else []
            values = [job.overrides.get(key, "") for key in sweep.keys]
            jobs.append({"name": job.name, "values": values, "metric": float(f"{scale * value:.6g}")})
    return {"axes": sweep.keys, "metric": metric_column(metric), "max": "max" in modes, "jobs": jobs}


def _best_runs(sweep: dlpipe.Sweep) -> tuple[list[RunView], list[str]]:
    """The curves of the best jobs, and a line for what is left out."""
    views: list[RunView] = []
    lines = []
    started = [job for job in sweep.jobs if job.status != "waiting"]
    for job in started[:MAX_JOBS]:
        directory = sweep.directory / job.name
        try:
            if not is_inside(directory, sweep.directory):
                raise dlpipe.DlpipeError("it lies outside of the sweep's directory")
            views.append(view_of(dlpipe.Run(directory), job.name, MAX_POINTS))
        except (dlpipe.DlpipeError, OSError) as error:
            lines.append(f"{job.name} has no curves here: {' '.join(str(error).split())[:300]}")
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"{len(lines) - MAX_LINES} more without curves."]
    if len(started) > MAX_JOBS:
        lines.append(f"Curves are those of the best {MAX_JOBS} of {len(started):,} jobs.")
    return views, lines


def _mean(metric: str, values: Any) -> Cell:
    return metric_cell(metric, values.mean, values.std) if values else EMPTY


def _best(metric: str, job: Any) -> Cell:
    """A job's best value, if it monitors the metric."""
    return metric_cell(metric, job.best.value) if job and job.best and job.best.metric == metric else EMPTY
