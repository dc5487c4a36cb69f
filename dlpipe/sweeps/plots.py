"""The plots of a sweep: a curve, a heat map, points. Imported when something is drawn: matplotlib takes a second."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import MaxNLocator

LOG_RATIO = 100  # from here on, two decades, an axis is logarithmic
MAX_NUMBERS = 80  # written into the cells of a heat map
LEVEL_LETTERS = 70  # that fit below an axis in one line
MAX_NAMES = 40  # ticks with a name of their own
DEFAULT = "default"  # where a setting lacks an override that others have


@dataclass(frozen=True)
class Point:
    """One setting: its overrides, and the values of one metric in its finished jobs, at least one."""

    overrides: dict[str, str]
    values: list[float]

    @property
    def mean(self) -> float:
        """Of the values."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float:
        """Sample standard deviation; 0 for one value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


def numbers_of(key: str, points: Sequence[Point]) -> list[float]:
    """The value of an override in each point; empty if one is no finite number."""
    try:
        numbers = [float(point.overrides[key]) for point in points]
    except (KeyError, ValueError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def names_of(key: str, points: Sequence[Point]) -> list[str]:
    """The different values of an override, as written; numbers by size."""
    names = list(dict.fromkeys(_name(key, point) for point in points))
    numbers = dict(zip((_name(key, point) for point in points), numbers_of(key, points), strict=False))
    return sorted(names, key=lambda name: (numbers.get(name, 0.0), name))


def _name(key: str, point: Point) -> str:
    return point.overrides.get(key, DEFAULT)


def draw_curve(axes: Axes, label: str, key: str, points: Sequence[Point]) -> None:
    """Mean and standard deviation over the seeds against one number, and every job."""
    pairs = sorted(zip(numbers_of(key, points), points, strict=True), key=lambda pair: pair[0])
    x = [number for number, _ in pairs]
    (line,) = axes.plot(x, [point.mean for _, point in pairs], label="mean")
    low, high = ([point.mean + sign * point.std for _, point in pairs] for sign in (-1, 1))
    if low != high:
        axes.fill_between(x, low, high, alpha=0.2, linewidth=0, color=line.get_color(), label="± standard deviation")
    jobs = [(number, value) for number, point in pairs for value in point.values]
    axes.plot(*zip(*jobs, strict=True), "o", color=line.get_color(), markersize=4, label="job")
    if low != high:
        axes.legend()
    _label(axes, key, label)
    _fit_axis_to_numbers(axes, x)


def draw_heat_map(axes: Axes, label: str, keys: Sequence[str], points: Sequence[Point]) -> None:
    """Means by two values, the first downwards; a cell without a finished job stays grey."""
    down, across = keys
    rows, columns = names_of(down, points), names_of(across, points)
    means = {(_name(down, point), _name(across, point)): point.mean for point in points}
    cells = [[means.get((row, column), math.nan) for column in columns] for row in rows]
    image = axes.imshow(cells, aspect="auto", cmap="viridis")
    axes.set_facecolor("lightgrey")
    axes.figure.colorbar(image, ax=axes, label=f"mean {label}")
    if len(rows) * len(columns) <= MAX_NUMBERS:
        _write_numbers(axes, cells)
    _write_names(axes.xaxis, columns)
    _write_names(axes.yaxis, rows)
    _label(axes, across, down)


def _write_numbers(axes: Axes, cells: list[list[float]]) -> None:
    values = [value for row in cells for value in row if not math.isnan(value)]
    middle = (min(values) + max(values)) / 2
    for row, own in enumerate(cells):
        for column, value in enumerate(own):
            if not math.isnan(value):
                color = "black" if value > middle else "white"  # viridis ends in yellow
                axes.text(column, row, f"{value:.4g}", ha="center", va="center", color=color)


def draw_points(axes: Axes, label: str, key: str, points: Sequence[Point]) -> None:
    """Every job against one value; what else was swept differs between the points."""
    numbers, names = numbers_of(key, points), names_of(key, points)
    x = numbers or [float(names.index(_name(key, point))) for point in points]
    jobs = [(place, value) for place, point in zip(x, points, strict=True) for value in point.values]
    axes.plot(*zip(*jobs, strict=True), "o", alpha=0.5, markeredgewidth=0)
    _label(axes, key, label)
    if numbers:
        _fit_axis_to_numbers(axes, numbers)
    else:
        _write_names(axes.xaxis, names)
        axes.set_xlim(-0.5, len(names) - 0.5)


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)


def _fit_axis_to_numbers(axes: Axes, numbers: Sequence[float]) -> None:
    if min(numbers) > 0 and max(numbers) >= LOG_RATIO * min(numbers):
        axes.set_xscale("log")
    elif all(number.is_integer() for number in numbers):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _write_names(axis: Axis, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of an axis: upright below it where they are long, every n-th where there are many."""
    step = -(-len(names) // MAX_NAMES)
    options: dict[str, Any] = {"parse_math": False}  # ${seed} is no formula
    if isinstance(axis, XAxis) and sum(map(len, names)) > LEVEL_LETTERS:
        options["rotation"] = 90
    axis.set_ticks(range(0, len(names), step), names[::step], **options)
