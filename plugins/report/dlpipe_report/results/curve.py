"""A run's curves, thinned to a few points of each metric."""

import math
from collections.abc import Iterable

from dlpipe import Run

Curve = dict[str, list[tuple[int, float]]]
MOST_POINTS = 20  # of a metric, beside those that are asked for
DIGITS = 7
SKIPPED = ("step", "epoch")


def thinned(run: Run, epochs: Iterable[int | None]) -> Curve:
    """Metric to (epoch, value) points, from epoch 1: spread evenly from the first to the last, and ``epochs``."""
    columns = {name: list(run.metrics[name]) for name in run.metrics}
    curve: Curve = {}
    for name, values in columns.items():
        if name in SKIPPED or name.startswith(("test/", "best/")):
            continue
        rows = zip(columns["epoch"], values, strict=True)
        by_epoch = {int(epoch) + 1: float(f"{value:.{DIGITS}g}") for epoch, value in rows if math.isfinite(value)}
        curve[name] = [(epoch, by_epoch[epoch]) for epoch in _spread(list(by_epoch), set(epochs))]
    return {name: points for name, points in curve.items() if points}


def _spread(epochs: list[int], asked: set[int | None]) -> list[int]:
    count = len(epochs)
    if count <= MOST_POINTS:
        return epochs
    chosen = {epochs[round(index * (count - 1) / (MOST_POINTS - 1))] for index in range(MOST_POINTS)}
    return [epoch for epoch in epochs if epoch in chosen or epoch in asked]
