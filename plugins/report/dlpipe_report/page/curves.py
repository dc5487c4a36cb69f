"""Learning curves for the page: split into panels, thinned, each point with its epoch; without torch."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

import dlpipe
from dlpipe.metrics import is_percentage

Points = Sequence[tuple[int, float]]
MAX_POINTS = 2000  # of a curve
SPLIT = re.compile(r"(?:^|(?<=/))(train|val|test)[/_]|/(train|val|test)$")  # train/loss, pretrain/0/val/loss, val_loss


def panel_and_split(metric: str) -> tuple[str, str]:
    """``pretrain/0/loss`` and ``val`` for ``pretrain/0/val/loss``: the splits of a metric share a panel.

    A name without a split is that of a training metric.
    """
    found = SPLIT.search(metric)
    return (SPLIT.sub("", metric, count=1), found[1] or found[2]) if found else (metric, "train")


def thin(points: Points, limit: int = MAX_POINTS) -> list[tuple[int, float]]:
    """At most about ``limit`` points: the ends, and of each stretch the lowest, the highest and the first NaN."""
    if len(points) <= limit:
        return list(points)
    size = math.ceil(2 * len(points) / limit)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        finite = [index for index in stretch if math.isfinite(points[index][1])]
        if finite:
            kept |= {min(finite, key=lambda index: points[index][1]), max(finite, key=lambda index: points[index][1])}
        if len(finite) < len(stretch):
            kept.add(next(index for index in stretch if not math.isfinite(points[index][1])))
    return [points[index] for index in sorted(kept)]


def epochs_at(rows: Sequence[tuple[int, int]], updates: Sequence[int]) -> list[float]:
    """How many epochs are done after each count of updates; epochs of stages, which start again at 1, add up.

    Args:
        rows: `dlpipe.Run.epochs`.
        updates: counts, in any order.
    """
    ends: list[tuple[int, float]] = [(0, 0.0)]  # updates and epochs
    done, previous = 0, 0
    for at, epoch in rows:
        if epoch < previous:
            done += previous
        previous = epoch
        if ends[-1][1] == done + epoch:
            ends.pop()
        ends.append((at, float(done + epoch)))
    if len(ends) > 2:  # the last epoch may not be over
        ends[-1] = (max(ends[-1][0], 2 * ends[-2][0] - ends[-3][0]), ends[-1][1])
    return [
        float(epoch) for epoch in np.interp(np.array(updates), [at for at, _ in ends], [epochs for _, epochs in ends])
    ]


def curves_of(run: dlpipe.Run, limit: int = MAX_POINTS) -> list[dict[str, Any]]:
    """Each metric that the run logged at least twice, for the page's script.

    ``u`` are updates, ``e`` epochs and ``v`` values, with None for NaN and infinity; ``best`` is the index of the
    best validation. Errors are in per cent.
    """
    rows, best = run.epochs, run.summary.get("best") or {}
    curves = []
    for metric, points in run.curves.items():
        if len(points) < 2:
            continue
        panel, split = panel_and_split(metric)
        kept = thin(points, limit)
        updates, values = [at for at, _ in kept], [value for _, value in kept]
        scale = 100 if is_percentage(panel) else 1
        curves.append(
            {
                "metric": metric,
                "panel": panel,
                "split": split,
                "u": updates,
                "e": [round(epoch, 3) for epoch in epochs_at(rows, updates)],
                "v": [_rounded(value * scale) for value in values],
                "best": _index_of_best(metric, values, best),
            }
        )
    return curves


def _index_of_best(metric: str, values: list[float], best: dict[str, Any]) -> int | None:
    """Where the curve has the best value, if it is the monitored metric, before whose name a stage's may stand."""
    is_monitored = f"/{metric}".endswith(f"/{best.get('metric')}")
    return values.index(best["value"]) if is_monitored and best.get("value") in values else None


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
