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

from dlpipe.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scale_to_unit_interval(x: NDArray[Any], eps: float = 1e-8) -> NDArray[Any]:
    """(x - min) / (max - min + eps): a constant array becomes zeros."""
    shifted = x - x.min()
    return np.asarray(shifted * (1.0 / (shifted.max() + eps)))


Colours = tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None]


def tile_raster_images(
    x: NDArray[Any] | Colours,
    image_shape: tuple[int, int],
    tile_shape: tuple[int, int],
    tile_spacing: tuple[int, int] = (0, 0),
    scale_rows_to_unit_interval: bool = True,
    output_pixel_vals: bool = True,
) -> NDArray[Any]:
    """Images side by side in rows, each scaled to its own range.

    Args:
        x: one flattened image a row, (images, height * width); or red, green, blue and alpha, each such an array, or
            None for a channel that is black or, of alpha, opaque.
        image_shape: height and width of an image.
        tile_shape: rows and columns of the sheet; missing images stay black.
        tile_spacing: black pixels between rows and between columns.
        scale_rows_to_unit_interval: whether to scale; else the values are in [0, 1] already.
        output_pixel_vals: whether to give bytes, times 255 and truncated; else the values, in x's own type.

    Returns:
        The sheet ((height + spacing) * rows - spacing, (width + spacing) * columns - spacing), of four channels with
        a last dimension of 4.

    Source: the tutorials' ``utils.py``.
    """
    (height, width), (rows, columns), (gap_y, gap_x) = image_shape, tile_shape, tile_spacing
    size = (height + gap_y) * rows - gap_y, (width + gap_x) * columns - gap_x
    if isinstance(x, tuple):
        if len(x) != 4 or all(channel is None for channel in x):
            raise ValueError(f"a tuple is red, green, blue, alpha, one of them at least an array; got {len(x)} items")
        kind = np.dtype(np.uint8) if output_pixel_vals else next(c.dtype for c in x if c is not None)
        opaque = 255 if output_pixel_vals else 1
        options = (image_shape, tile_shape, tile_spacing, scale_rows_to_unit_interval, output_pixel_vals)
        absent = [np.full(size, value, kind) for value in (0, 0, 0, opaque)]
        sheets = [a if c is None else tile_raster_images(c, *options) for c, a in zip(x, absent, strict=True)]
        return np.stack(sheets, axis=-1).astype(kind)
    if x.ndim != 2 or x.shape[1] != height * width:
        raise ValueError(f"x has the shape {x.shape}; images of {height} x {width} need (images, {height * width})")
    sheet = np.zeros(size, np.uint8 if output_pixel_vals else x.dtype)
    for index, row in enumerate(x[: rows * columns]):
        top, left = (index // columns) * (height + gap_y), (index % columns) * (width + gap_x)
        image = row.reshape(height, width)
        image = scale_to_unit_interval(image) if scale_rows_to_unit_interval else image
        sheet[top : top + height, left : left + width] = image * 255 if output_pixel_vals else image
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
    return figure_to_image(figure)


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
    return figure_to_image(figure)


def figure_to_image(figure: "Figure") -> NDArray[np.uint8]:
    """A matplotlib figure as a picture, colours (height, width, 3), drawn by itself: no window, no global pyplot state.

    For a module's ``figures()``; make the figure by ``matplotlib.figure.Figure(...)``, not by pyplot.
    """
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
    """Write grey levels (height, width) or colours (height, width, 3 or 4)."""
    from PIL import Image

    with atomic_write(path) as temporary_path:
        Image.fromarray(image).save(temporary_path, format="PNG")


def module_figures(model: pl.LightningModule) -> dict[str, NDArray[np.uint8]]:
    """What the module's ``figures()`` gives in evaluation mode and without gradients; none where there is none."""
    model.eval()
    own: Callable[[], dict[str, NDArray[np.uint8]]] | None = getattr(model, "figures", None)
    with torch.inference_mode():
        return own() if own else {}


def all_figures(model: pl.LightningModule, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
    """Name to picture: the module's ``figures()`` and ``data_figures(data)``, and a classifier's confusion matrix."""
    figures = module_figures(model)
    of_data: Callable[[Any], dict[str, NDArray[np.uint8]]] | None = getattr(model, "data_figures", None)
    if of_data:
        with torch.inference_mode():
            figures = {**figures, **of_data(data)}
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
