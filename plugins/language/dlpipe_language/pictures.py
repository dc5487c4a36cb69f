"""Pictures of embeddings and slot scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlpipe.figures import figure_to_image
from dlpipe_language.slots import ALL, SlotScore

ROW = 0.22  # inches


def neighbour_picture(neighbours: Mapping[str, Sequence[str]]) -> NDArray[np.uint8]:
    """One line per word: the words with the closest embeddings, closest first.

    Args:
        neighbours: by word.

    Returns:
        Colours (height, width, 3).
    """
    figure = Figure(figsize=(9, ROW * (len(neighbours) + 1)), dpi=100)
    for row, (word, near) in enumerate(neighbours.items()):
        height = 1 - (row + 1) / (len(neighbours) + 1)
        figure.text(0.2, height, word, ha="right", weight="bold", va="center")
        figure.text(0.22, height, "  ".join(near), va="center")
    return figure_to_image(figure)


def slot_picture(scores: Mapping[str, SlotScore]) -> NDArray[np.uint8]:
    """One bar per slot type, the most frequent on top: its F1 and its count.

    Args:
        scores: by type.

    Returns:
        Colours (height, width, 3).
    """
    kinds = sorted((kind for kind in scores if kind != ALL), key=lambda kind: -scores[kind].total)
    figure = Figure(figsize=(9, ROW * (len(kinds) + 3)), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(kinds)), [scores[kind].f1 for kind in kinds])
    axes.set_yticks(range(len(kinds)), [f"{kind} ({scores[kind].total})" for kind in kinds])
    axes.set(xlim=(0, 1), ylim=(len(kinds) - 0.4, -0.6), xlabel=f"F1; of all slots {scores[ALL].f1:.4f}")
    return figure_to_image(figure)
