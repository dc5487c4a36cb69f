"""Figures of a trained module: its own, such as filters as the tutorials tile them, and the confusion matrix."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scale_to_unit_interval(x: NDArray[Any], eps: float = 1e-8) -> NDArray[Any]:
    """(x - min) / (max - min + eps): a constant array becomes zeros."""
    shifted = x - x.min()
    return np.asarray(shifted * (1.0 / (shifted.max() + eps)))


def tile_raster_images(
    x: NDArray[Any],
    image_shape: tuple[int, int],
    tile_shape: tuple[int, int],
    tile_spacing: tuple[int, int] = (0, 0),
) -> NDArray[np.uint8]:
    """Images side by side in rows, each scaled to its own range.

    Args:
        x: one flattened image a row, (images, height * width).
        image_shape: height and width of an image.
        tile_shape: rows and columns of the sheet; missing images stay black.
        tile_spacing: black pixels between rows and between columns.

    Returns:
        Grey levels ((height + spacing) * rows - spacing, (width + spacing) * columns - spacing).

    Source: the tutorials' ``utils.py``; times 255 and truncated, as there.
    """
    (height, width), (rows, columns), (gap_y, gap_x) = image_shape, tile_shape, tile_spacing
    if x.ndim != 2 or x.shape[1] != height * width:
        raise ValueError(f"x has the shape {x.shape}; images of {height} x {width} need (images, {height * width})")
    sheet = np.zeros(((height + gap_y) * rows - gap_y, (width + gap_x) * columns - gap_x), np.uint8)
    for index, image in enumerate(x[: rows * columns]):
        top, left = (index // columns) * (height + gap_y), (index % columns) * (width + gap_x)
        scaled = scale_to_unit_interval(image.reshape(height, width))
        sheet[top : top + height, left : left + width] = (scaled * 255).astype(np.uint8)
    return sheet


def confusion_matrix_figure(labels: Sequence[int], predicted: Sequence[int], num_classes: int) -> NDArray[np.uint8]:
    """A picture (height, width, 3) of how often each class was taken for each other one."""
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    figure = Figure(figsize=(6, 5.4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    matrix = confusion_matrix(labels, predicted, labels=range(num_classes))
    ConfusionMatrixDisplay(matrix).plot(ax=axes, colorbar=False, cmap="Blues")
    axes.set(title="test set", xlabel="predicted", ylabel="true")
    return _picture_of(figure)


def draw_learning_curves(metrics: Path) -> NDArray[np.uint8]:
    """A picture of every metric that a run logged at least twice, over its updates; one panel a kind of metric.

    Args:
        metrics: the run's metrics.csv.
    """
    from matplotlib.figure import Figure

    curves = _read_curves(metrics)
    kinds = sorted({name.rpartition("/")[2] for name in curves})
    figure = Figure(figsize=(7, 3 * max(1, len(kinds))), dpi=100, layout="constrained")
    for row, kind in enumerate(kinds):
        axes = figure.add_subplot(len(kinds), 1, row + 1)
        for name, points in curves.items():
            if name.rpartition("/")[2] == kind:
                axes.plot(*zip(*points, strict=True), label=name)
        axes.set(xlabel="updates", ylabel=kind)
        axes.legend()
    return _picture_of(figure)


def _picture_of(figure: "Figure") -> NDArray[np.uint8]:
    """A matplotlib figure as colours (height, width, 3), drawn by itself: no window, no global pyplot state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's canvas is half typed
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3]  # type: ignore[no-untyped-call]


def _read_curves(metrics: Path) -> dict[str, list[tuple[int, float]]]:
    """Metric to (updates, value) points; a metric with one point, such as the test's, is no curve."""
    curves: dict[str, list[tuple[int, float]]] = {}
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    curves.setdefault(name, []).append((int(row["step"]) + 1, float(value)))
    return {name: points for name, points in curves.items() if len(points) > 1}


def save_png(image: NDArray[np.uint8], path: Path) -> None:
    """Write grey levels (height, width) or colours (height, width, 3)."""
    from PIL import Image

    with replacing(path) as beside:
        Image.fromarray(image).save(beside, format="PNG")


def figures_of(model: pl.LightningModule, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
    """Name to picture: what the module's ``figures()`` gives, and the confusion matrix of a classifier."""
    own: Callable[[], dict[str, NDArray[np.uint8]]] | None = getattr(model, "figures", None)
    figures = dict(own()) if own else {}
    num_classes = getattr(data, "num_classes", None)
    if num_classes is not None and (found := predict_labels(model, data, num_classes)) is not None:
        figures["confusion_matrix"] = confusion_matrix_figure(*found, num_classes)
    return figures


def predict_labels(
    model: pl.LightningModule, data: pl.LightningDataModule, num_classes: int
) -> tuple[list[int], list[int]] | None:
    """True and predicted labels of the test set.

    For a module whose ``predict_step`` gives class probabilities (examples, num_classes) of batches (x, y), on a
    dataset that has test data; None for any other.
    """
    predict: Callable[..., Any] = model.predict_step
    if not is_overridden("predict_step", model, pl.LightningModule):
        return None
    if not is_overridden("test_dataloader", data, pl.LightningDataModule):
        return None
    model.eval()
    labels: list[int] = []
    predicted: list[int] = []
    with torch.inference_mode():
        for index, batch in enumerate(data.test_dataloader()):
            probabilities = predict(model.transfer_batch_to_device(batch, model.device, 0), index)
            if not isinstance(probabilities, torch.Tensor) or probabilities.shape[1:] != (num_classes,):
                return None
            labels += batch[1].tolist()
            predicted += probabilities.argmax(1).tolist()
    return labels, predicted
