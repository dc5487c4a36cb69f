"""What the page shows of a run, alone or beside others; without torch."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlpipe
from dlpipe.metrics import format_metric, format_value
from dlpipe_report.page.curves import curves_of
from dlpipe_report.page.defaults import comparable
from dlpipe_report.page.table import Cell, Row, Table, drop_empty, metric_cell, metric_column, word

NOTES = {
    "unfinished": "This run has no summary.json: it is being trained, or was killed. What it has written is shown.",
    "interrupted": "This run was interrupted; python -m dlpipe resume RUN trains on.",
    "diverged": "This run was stopped because its numbers were not finite; nothing was tested.",
    "failed": "This run failed; its log says why.",
    "pruned": "This run was pruned: it was hopeless beside others.",
}


@dataclass(frozen=True)
class RunView:
    """A run by its files: what it is called on the page, its summary, curves and comparable config."""

    name: str
    directory: Path
    status: str
    model: str
    dataset: str
    summary: dict[str, Any]
    curves: list[dict[str, Any]]
    config: dict[str, Any]

    @property
    def note(self) -> str:
        """What a reader has to know about a run that did not finish."""
        return NOTES.get(self.status, "")

    @property
    def best(self) -> dict[str, Any]:
        """``best`` of the summary; empty without a finite value."""
        best = self.summary.get("best") or {}
        return best if best.get("value") is not None else {}


@contextlib.contextmanager
def damage_named(directory: Path) -> Iterator[None]:
    """Turn what a damaged summary or provenance raises where it is read into a DlpipeError with its directory."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        files = "summary.json or provenance.json"
        raise dlpipe.DlpipeError(f"{directory}: {files} is damaged: {error!r}; take a good copy") from error


def view_of(run: dlpipe.Run, name: str, max_points: int) -> RunView:
    """Read a run's files; a DlpipeError says which one is damaged, or that it is not a run's directory."""
    config = run.config
    return RunView(
        name,
        run.directory,
        run.status,
        str(config.model.name),
        str(config.dataset.name) if "dataset" in config else "",
        run.summary,
        curves_of(run, max_points),
        comparable(config),
    )


def key_numbers(view: RunView) -> list[tuple[str, str, str]]:
    """The numbers at the top of the page: label, value, and a remark."""
    summary, best = view.summary, view.best
    numbers = []
    if best:
        value = _short(best["metric"], best["value"])
        numbers.append((f"best {best['metric']}", value, f"update {best['update']:,}, epoch {best['epoch']:,}"))
    numbers += [(name, _short(name, value), "") for name, value in summary.get("test", {}).items()]
    if "seconds" in summary:
        rate = f"{summary['updates_per_second']:,.1f} updates/s"
        numbers.append(("time", duration(summary["seconds"]), rate))
        numbers.append(("epochs", f"{summary['epochs']:,}", f"{summary['updates']:,} updates"))
    if stopped := summary.get("stopped_by"):
        numbers.append(("stopped by", str(stopped), ""))
    return numbers


def targets_table(view: RunView) -> Table:
    """Published numbers and whether the run reaches them."""
    rows = []
    for target in view.summary.get("targets", []):
        metric, value = target["metric"], target["run"]
        reached = "reached" if target["reached"] else "not reached"
        ours = "" if value is None else format_value(metric, value)
        cells = [metric, reached, ours, format_value(metric, target["value"]), str(target.get("source", ""))]
        rows.append(Row([Cell(text) for text in cells]))
    return Table(["metric", "target", "this run", "published", "source"], rows)


def stages_table(view: RunView) -> Table:
    """What each stage of the run took, and its best."""
    rows = []
    for stage in view.summary.get("stages", []):
        best = stage.get("best") or {}
        text = format_metric(best["metric"], best["value"]) if best.get("value") is not None else ""
        cells = [str(stage["name"]), f"{stage['epochs']:,}", f"{stage['updates']:,}", duration(stage["seconds"]), text]
        rows.append(Row([Cell(cell) for cell in cells]))
    return Table(["stage", "epochs", "updates", "time", "best"], rows)


def runs_table(views: list[RunView]) -> Table:
    """A row for each run: what it is, its best validation and its tests."""
    best = dict.fromkeys(view.best["metric"] for view in views if view.best)
    tests = dict.fromkeys(name for view in views for name in view.summary.get("test", {}))
    columns = ["run", "model", "dataset", "status", *(f"best {metric_column(name)}" for name in best)]
    columns += [*map(metric_column, tests), "epochs", "updates", "seconds", "seed"]
    rows = []
    for index, view in enumerate(views):
        with damage_named(view.directory):
            rows.append(Row(_run_cells(view, list(best), list(tests)), index))
    return drop_empty(Table(columns, rows))


def _run_cells(view: RunView, best: list[str], tests: list[str]) -> list[Cell]:
    summary = view.summary
    cells = [word(text) for text in (view.name, view.model, view.dataset, view.status)]
    cells += [metric_cell(name, view.best["value"] if view.best.get("metric") == name else None) for name in best]
    cells += [metric_cell(name, summary.get("test", {}).get(name)) for name in tests]
    cells += [word(summary.get(key, "")) for key in ("epochs", "updates")]
    cells.append(word(f"{summary['seconds']:.1f}" if "seconds" in summary else ""))
    return [*cells, word(summary.get("seed", ""))]


def names_of(directories: list[Path]) -> list[str]:
    """The shortest ends of the paths that tell the directories apart."""
    for length in range(1, 1 + max(len(path.parts) for path in directories)):
        names = ["/".join(path.parts[-length:]) for path in directories]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in directories]


def duration(seconds: float) -> str:
    """``45.2 s``, ``12 min 5 s``, ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _short(metric: str, value: float) -> str:
    """A metric to four significant digits or more; errors in per cent."""
    if not math.isfinite(value):
        return "NaN"
    number, percent, _ = format_value(metric, value).partition(" %")
    return f"{float(number):.4g}{' %' if percent else ''}"
