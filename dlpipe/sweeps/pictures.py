"""Pictures of a sweep: a metric against each swept value, in the sweep's figures/."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from dlpipe.atomic import atomic_write
from dlpipe.metrics import is_percentage
from dlpipe.runs.directory import FIGURES
from dlpipe.sweeps.rows import Row
from dlpipe.sweeps.settings import Setting, settings_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlpipe.sweeps.plots import Point

FILLED = 0.5  # of the cells of a heat map; random search over two values fills fewer
MAX_PANELS = 8


def draw(sweep_dir: Path, rows: list[Row]) -> list[Path]:
    """Write a picture of each monitored metric, or of each test metric where none is monitored; returns the files.

    One swept number is drawn as a curve with mean and spread over the seeds, two swept values as a heat map; more
    values, one that is no number, or two of which few combinations have finished, as points.
    """
    settings = settings_of(rows)
    swept = swept_keys(settings)
    metrics = dict.fromkeys(setting.metric for setting in settings if setting.metric)
    paths = []
    for metric in metrics or dict.fromkeys(metric for setting in settings for metric in setting.test):
        points = points_of(settings, metric)
        if swept and len(points) > 1:
            path = sweep_dir / FIGURES / f"{metric.replace('/', '_')}.png"
            _save(picture(metric, swept, points), path)
            paths.append(path)
    return paths


def swept_keys(settings: list[Setting]) -> list[str]:
    """The overrides in which settings differ."""
    keys = dict.fromkeys(key for setting in settings for key in setting.overrides)
    return [key for key in keys if len({setting.overrides.get(key) for setting in settings}) > 1]


def points_of(settings: list[Setting], metric: str) -> "list[Point]":
    """The finite values of a metric in each setting's finished jobs, errors in per cent."""
    from dlpipe.sweeps.plots import Point

    scale = 100 if is_percentage(metric) else 1
    points = []
    for setting in settings:
        values = [_value(row, metric) for row in setting.finished]
        if finite := [scale * value for value in values if math.isfinite(value)]:
            points.append(Point(setting.overrides, finite))
    return points


def _value(row: Row, metric: str) -> float:
    return row.best.value if row.best and row.best.metric == metric else row.test.get(metric, math.nan)


def picture(metric: str, swept: list[str], points: "list[Point]") -> "Figure":
    """The picture that fits the number and the kind of the swept values."""
    from matplotlib.figure import Figure

    from dlpipe.sweeps import plots

    label = f"{metric} (%)" if is_percentage(metric) else metric
    if len(swept) == 2 and _is_grid(swept, points):
        figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
        plots.draw_heat_map(figure.add_subplot(), label, swept, points)
    elif len(swept) == 1 and plots.numbers_of(swept[0], points):
        figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
        plots.draw_curve(figure.add_subplot(), label, swept[0], points)
    else:
        shown = swept[:MAX_PANELS]
        figure = Figure(figsize=(7, 1 + 3 * len(shown)), dpi=100, layout="constrained")
        for row, key in enumerate(shown):
            plots.draw_points(figure.add_subplot(len(shown), 1, row + 1), label, key, points)
    return figure


def _is_grid(swept: list[str], points: "list[Point]") -> bool:
    """Whether most combinations of two swept values have finished."""
    down, across = ({point.overrides.get(key) for point in points} for key in swept)
    return len(points) >= FILLED * len(down) * len(across)


def _save(figure: "Figure", path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as temporary_path:
        figure.savefig(temporary_path, format="png")
