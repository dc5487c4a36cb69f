"""A report of one run, of several, or of a sweep."""

from datetime import UTC, datetime
from typing import Any

import dlpipe
from dlpipe_report.config_differences import as_text, differences
from dlpipe_report.page.confusion import Confusion
from dlpipe_report.page.curves import MAX_POINTS
from dlpipe_report.page.html import render
from dlpipe_report.page.pictures import MAX_BYTES, Picture, pictures_of
from dlpipe_report.page.run_detail import detail_of
from dlpipe_report.page.run_view import RunView, names_of, runs_table, view_of
from dlpipe_report.page.sweep_view import sweep_view

SEVERAL_POINTS = 20_000  # of all runs' curves of one metric together
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("run", "detail", "overview", "sweep")),
    **dict.fromkeys(("differing", "galleries", "lines"), ()),
}


def report_of_run(run: dlpipe.Run) -> bytes:
    """The page of one run."""
    view = view_of(run, run.directory.name, MAX_POINTS)
    detail = detail_of(run, view)
    title = f"{view.model} on {view.dataset}" if view.dataset else view.model
    return _render([view], title=title, subtitle=view.name, kind="run", run=view, detail=detail)


def report_of_runs(runs: list[dlpipe.Run]) -> bytes:
    """The page of several runs, one over the other."""
    max_points = max(100, min(MAX_POINTS, SEVERAL_POINTS // len(runs)))
    names = names_of([run.directory for run in runs])
    views = [view_of(run, name, max_points) for run, name in zip(runs, names, strict=True)]
    galleries, lines = _galleries(views)
    differing = differences([view.config for view in views])
    return _render(
        views,
        title=f"{len(runs)} runs",
        subtitle=", ".join(dict.fromkeys(f"{view.model} on {view.dataset}" for view in views)),
        kind="runs",
        overview=runs_table(views),
        differing=[(key, [as_text(value) for value in values]) for key, values in differing.items()],
        galleries=galleries,
        lines=lines,
    )


def report_of_sweep(sweep: dlpipe.Sweep) -> bytes:
    """The page of a sweep."""
    view = sweep_view(sweep)
    title = f"Sweep of {len(sweep.jobs)} jobs"
    return _render(view.runs, title=title, subtitle=view.name, kind="sweep", sweep=view, lines=view.lines)


def _galleries(views: list[RunView]) -> tuple[dict[str, list[tuple[str, Picture]]], list[str]]:
    """Name of a picture to the runs that have it and theirs, and a line for what is left out."""
    galleries: dict[str, list[tuple[str, Picture]]] = {}
    lines = []
    for view in views:
        pictures, left_out = pictures_of(view.directory, MAX_BYTES // len(views))
        lines += [f"{view.name}: {line}" for line in left_out]
        for picture in pictures:
            galleries.setdefault(picture.name, []).append((view.name, picture))
    return galleries, lines


def _render(views: list[RunView], **content: Any) -> bytes:
    made = datetime.now(UTC).isoformat(timespec="minutes")
    detail = content.get("detail")
    confusion = detail.confusion if detail and isinstance(detail.confusion, Confusion) else None
    sweep = content.get("sweep")
    data = {
        "runs": [{"name": view.name, "curves": view.curves} for view in views],
        "ranked": bool(sweep),
        "confusion": confusion and {"names": confusion.names, "examples": confusion.examples},
        "coordinates": sweep and sweep.coordinates,
    }
    curves = any(view.curves for view in views)
    return render({**NOTHING, **content, "views": views, "curves": curves, "made": made, "confusion": confusion}, data)
