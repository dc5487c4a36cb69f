"""The confusion matrix and the misclassified examples of a test set, for the page."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from dlpipe_report.page.classified_test_set import ClassifiedTestSet
from dlpipe_report.page.pictures import png_uri

MAX_CLASSES = 30  # of a matrix that can be read; of more classes, the most confused pairs are listed
MAX_PAIRS = 30


@dataclass(frozen=True)
class Cell:
    """How many examples of one class are predicted as another, and their share of that class."""

    true: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """What the page shows; ``rows`` is empty where there are more than `MAX_CLASSES`, then ``pairs`` counts."""

    names: list[str]
    rows: list[list[Cell]]
    pairs: list[Cell]
    correct: int
    total: int
    examples: list[dict[str, Any]]
    sprite: str
    tile: tuple[int, int]  # height and width
    columns: int

    @property
    def wrong(self) -> int:
        """The number of misclassified examples."""
        return self.total - self.correct


def confusion_of(tested: ClassifiedTestSet, class_names: list[str] | None = None) -> Confusion:
    """Count, and put the examples' pictures on one sheet."""
    count = tested.num_classes
    names = class_names if class_names and len(class_names) == count else [str(index) for index in range(count)]
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (tested.labels, tested.predicted), 1)
    totals = np.maximum(matrix.sum(1), 1)
    cells = [
        [Cell(t, p, int(matrix[t, p]), float(matrix[t, p] / totals[t])) for p in range(count)] for t in range(count)
    ]
    pairs = [cell for row in cells for cell in row if cell.count and cell.true != cell.predicted]
    pairs.sort(key=lambda cell: -cell.count)
    columns = max(1, math.ceil(math.sqrt(len(tested.pictures))))
    return Confusion(
        names=names,
        rows=cells if count <= MAX_CLASSES else [],
        pairs=pairs[:MAX_PAIRS],
        correct=int(matrix.trace()),
        total=len(tested.labels),
        examples=_examples(tested),
        sprite=_sheet(tested, columns),
        tile=(int(tested.pictures.shape[1]), int(tested.pictures.shape[2])) if tested.pictures.ndim > 1 else (0, 0),
        columns=columns,
    )


def _examples(tested: ClassifiedTestSet) -> list[dict[str, Any]]:
    """Of each shown example its index in the test set, its classes and the probability of the predicted one."""
    return [
        {
            "index": int(index),
            "true": int(tested.labels[index]),
            "predicted": int(tested.predicted[index]),
            "probability": round(float(tested.probability[index]), 3),
        }
        for index in tested.shown
    ]


def _sheet(tested: ClassifiedTestSet, columns: int) -> str:
    """All pictures in rows of ``columns`` as one PNG; empty without pictures."""
    pictures = tested.pictures
    if pictures.ndim == 1:
        return ""
    height, width = pictures.shape[1:3]
    rows = math.ceil(len(pictures) / columns)
    sheet = np.zeros((rows * height, columns * width, *pictures.shape[3:]), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = picture
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, format="PNG", optimize=True)
    return png_uri(file.getvalue())
