"""Pictures of draws: traces, pairs of coordinates, paths of moves, and the adaptation of the step size."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlpipe.figures import figure_to_image

# shown at most
COORDINATES = 6
CHAINS = 10
POINTS = 3000
BINS = 40


def trace_picture(draws: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A row a coordinate: the density of each chain's draws, and the draws in order; no density of what is not finite.

    Args:
        draws: (draws, chains, dim).

    Returns:
        Colours (height, width, 3), as every picture here.
    """
    shown = min(draws.shape[2], COORDINATES)
    figure = Figure(figsize=(9, 1.6 * shown), dpi=100, layout="constrained")
    panels = figure.subplots(shown, 2, squeeze=False, width_ratios=[1, 3])
    for coordinate, (density, trace) in enumerate(panels):
        values = draws[:, :CHAINS, coordinate]
        edges = np.histogram_bin_edges(values, BINS) if np.isfinite(values).all() else None
        for chain in values.T:
            if edges is not None:
                density.hist(chain, edges, density=True, histtype="step")
            trace.plot(chain, linewidth=0.5)
        density.set_ylabel(f"x{coordinate + 1}")
    panels[-1, 1].set_xlabel("draw")
    return figure_to_image(figure)


def pair_picture(points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Each coordinate against each other one, and its own density on the diagonal.

    Args:
        points: (points, dim), chain after chain: of many, evenly spaced ones are shown.
    """
    shown = min(points.shape[1], COORDINATES)
    points = points[:: -(-len(points) // POINTS)]
    figure = Figure(figsize=(1.6 * shown + 1, 1.6 * shown + 1), dpi=100, layout="constrained")
    panels = figure.subplots(shown, shown, squeeze=False, sharex="col")
    for row in range(shown):
        for column in range(shown):
            _draw_pair(panels[row, column], points, row, column)
    for index in range(shown):
        panels[index, 0].set_ylabel(f"x{index + 1}")
        panels[-1, index].set_xlabel(f"x{index + 1}")
    return figure_to_image(figure)


def _draw_pair(axes: Axes, points: NDArray[np.floating], row: int, column: int) -> None:
    if column > row:
        axes.set_axis_off()
    elif column == row and np.isfinite(points[:, row]).all():
        axes.hist(points[:, row], BINS, density=True, histtype="step")
    elif column < row:
        axes.plot(points[:, column], points[:, row], ".", markersize=1.5, alpha=0.5)


def path_picture(points: NDArray[np.floating], paths: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The first two coordinates of draws, and on top the paths of moves: a dot for each step, a square at each end.

    Args:
        points: (points, dim), as for `pair_picture`.
        paths: (steps + 1, moves, dim).
    """
    points = points[:: -(-len(points) // POINTS)]
    figure = Figure(figsize=(6, 5), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.plot(points[:, 0], points[:, 1], ".", markersize=2, color="lightgrey")
    for index in range(paths.shape[1]):
        first, second = paths[:, index, 0], paths[:, index, 1]
        (line,) = axes.plot(first, second, ".-", linewidth=1, markersize=4)
        axes.plot(first[-1:], second[-1:], "s", markersize=8, color=line.get_color())
    axes.set(xlabel="x1", ylabel="x2")
    return figure_to_image(figure)


def adaptation_picture(
    step_sizes: NDArray[np.floating], acceptances: NDArray[np.floating], num_burn_in: int, target: float
) -> NDArray[np.uint8]:
    """The step size of each move, and the acceptance rate over the fifty moves that end with it.

    Args:
        step_sizes: (moves,).
        acceptances: the share of the chains that accepted, (moves,).
        num_burn_in: moves before the first draw, which a line marks.
        target: of the acceptance rate, which another line marks.
    """
    figure = Figure(figsize=(9, 4.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(step_sizes, linewidth=0.8)
    above.set_ylabel("step size")
    window = min(50, len(acceptances))
    below.plot(np.arange(window - 1, len(acceptances)), np.convolve(acceptances, np.full(window, 1 / window), "valid"))
    below.axhline(target, color="grey", linestyle=":")
    below.set(ylabel="acceptance rate", xlabel="move")
    for axes in (above, below):
        axes.axvline(num_burn_in, color="grey", linestyle="--")
    return figure_to_image(figure)
