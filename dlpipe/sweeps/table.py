"""The ranking of a sweep for the terminal: a row a setting if any has several jobs, else a row a job."""

from collections.abc import Iterable
from typing import NamedTuple

from dlpipe.metrics import format_value
from dlpipe.sweeps.csv_files import JOBS_CSV, SUMMARY_CSV, columns_of
from dlpipe.sweeps.record import DIVERGED, FAILED, FINISHED
from dlpipe.sweeps.rows import DAMAGED, Row
from dlpipe.sweeps.settings import Setting, Statistics, matching_test_metric, settings_of

WIDTH = 80  # columns of a terminal
MAX_ERRORS = 5
BEST_JOB = "best job"


class Table(NamedTuple):
    """Cells by column; columns in ``optional`` are left to ``file``, the last first, where the table is too wide."""

    title: str
    rows: list[dict[str, str]]
    optional: set[str]
    file: str


def lines(rows: list[Row]) -> list[str]:
    """What the jobs differ in and how they are ranked, then the jobs that failed; sweep.csv has the rest."""
    settings = settings_of(rows)
    several = any(len(setting.rows) > 1 for setting in settings)
    return [*_layout(_settings_table(settings) if several else _jobs_table(rows)), *_errors(rows)]


def _jobs_table(rows: list[Row]) -> Table:
    shared = _shared([row.overrides for row in rows])
    cells = [_job_cells(row, shared) for row in rows]
    ranked = any(row.best for row in rows)
    return Table(_title("jobs", " ranked on validation", ranked, shared), cells, _unranked_metrics(rows), JOBS_CSV)


def _job_cells(row: Row, shared: dict[str, str]) -> dict[str, str]:
    cells = {"job": row.name} | _swept(row.overrides, shared)
    if row.status != FINISHED:
        cells["status"] = row.status
    if row.best is None:
        return cells | {metric: format_value(metric, value) for metric, value in row.test.items()}
    metric, test = row.best.metric, matching_test_metric(row.best.metric)
    cells |= {f"best {metric}": format_value(metric, row.best.value), "epoch": str(row.best.epoch)}
    return cells | ({test: format_value(test, row.test[test])} if test in row.test else {})


def _settings_table(settings: list[Setting]) -> Table:
    shared = _shared([setting.overrides for setting in settings])
    cells = [_setting_cells(setting, shared) for setting in settings]
    ranked = any(setting.best for setting in settings)
    optional = _unranked_metrics([row for setting in settings for row in setting.rows])
    optional = {_mean_column(metric) for metric in optional}
    return Table(
        _title("settings", " ranked on mean validation", ranked, shared), cells, optional | {BEST_JOB}, SUMMARY_CSV
    )


def _setting_cells(setting: Setting, shared: dict[str, str]) -> dict[str, str]:
    cells = _swept(setting.overrides, shared)
    asked = len(setting.rows)
    if setting.best is None or setting.metric is None:
        tests = {_mean_column(metric): _mean_cell(metric, values, asked) for metric, values in setting.test.items()}
        return cells | (tests or {"status": _counts(setting.rows)})
    test = matching_test_metric(setting.metric)
    cells[_mean_column(setting.metric)] = _mean_cell(setting.metric, setting.validation, asked)
    if test in setting.best.test:
        cells[f"{test} of best"] = format_value(test, setting.best.test[test])
    return cells | {BEST_JOB: setting.best.name}


def _mean_column(metric: str) -> str:
    return f"{metric} mean ± std (n)"


def _mean_cell(metric: str, values: Statistics | None, asked: int) -> str:
    """``8.9 ± 1.2 % (3)``, or ``(2 of 3)`` if not all jobs have finished."""
    if values is None:
        return ""
    count = str(asked) if values.count == asked else f"{values.count} of {asked}"
    number, percent, _ = format_value(metric, values.mean).partition(" %")
    std = "" if values.std is None else f" ± {format_value(metric, values.std).removesuffix(' %')}"
    return f"{number}{std}{percent} ({count})"


def _counts(rows: list[Row]) -> str:
    """``2 failed, 1 waiting``."""
    statuses = [row.status for row in rows]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def _unranked_metrics(rows: Iterable[Row]) -> set[str]:
    """Test metrics of jobs that monitor nothing."""
    return {metric for row in rows if row.best is None for metric in row.test}


def _shared(overrides: list[dict[str, str]]) -> dict[str, str]:
    """The overrides that all have."""
    first = overrides[0] if overrides else {}
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in overrides)}


def _swept(overrides: dict[str, str], shared: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in overrides.items() if key not in shared}


def _title(what: str, how: str, is_ranked: bool, shared: dict[str, str]) -> str:
    common = " ".join(f"{key}={value}" for key, value in shared.items() if not value.startswith("{"))
    return f"{what}{how if is_ranked else ', not ranked'}{', all with ' + common if common else ''}:"


def _layout(table: Table) -> list[str]:
    columns = columns_of(table.rows)
    left_out: list[str] = []
    while _width(columns, table.rows) > WIDTH and (optional := [name for name in columns if name in table.optional]):
        columns.remove(optional[-1])
        left_out.insert(0, optional[-1])
    cells = [columns, *([row.get(column, "") for column in columns] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rest = [f"{len(left_out)} more columns: {table.file}"] if set(left_out) - {BEST_JOB} else []
    return [table.title, *("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells), *rest]


def _width(columns: list[str], rows: list[dict[str, str]]) -> int:
    return sum(max(len(column), *(len(row.get(column, "")) for row in rows)) + 2 for column in columns) - 2


def _errors(rows: list[Row]) -> list[str]:
    """A line for each job that failed, at most five."""
    failed = [row for row in rows if row.status in (FAILED, DIVERGED, DAMAGED)]
    shown = [f"{row.name} {row.status}{': ' + row.error if row.error else ''}" for row in failed[:MAX_ERRORS]]
    more = len(failed) - len(shown)
    return [*shown, *([f"and {more} more: {JOBS_CSV}"] if more else [])]
