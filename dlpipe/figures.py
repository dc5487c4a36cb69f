"""Figures of a trained module as images: its own figures, tiled filters, confusion matrix, learning curves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature

from dlpipe.atomic import atomic_write
from dlpipe.contract import optional_method
from dlpipe.metrics import is_percentage
from dlpipe.metrics_csv import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scale_to_unit_interval(x: NDArray[Any], eps: float = 1e-8) -> NDArray[Any]:
    """(x - min) / (max - min + eps): a constant array becomes zeros."""
    shifted = x - x.min()
    return np.asarray(shifted * (1.0 / (shifted.max() + eps)))


Channels = tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None]


def tile_raster_images(
    x: NDArray[Any] | Channels,
    image_shape: tuple[int, int],
    tile_shape: tuple[int, int],
    tile_spacing: tuple[int, int] = (0, 0),
    scale_rows_to_unit_interval: bool = True,
    output_pixel_vals: bool = True,
) -> NDArray[Any]:
    """Tile images in rows and columns, each image scaled to its own range.

    Args:
        x: one flattened image per row, (images, height * width); or four such arrays for red, green, blue and alpha,
            of which None stands for a black or, as alpha, an opaque channel.
        image_shape: height and width of an image.
        tile_shape: rows and columns of the sheet; missing images stay black.
        tile_spacing: black pixels between rows and between columns.
        scale_rows_to_unit_interval: whether to scale; if not, the values must be in [0, 1] already.
        output_pixel_vals: whether to return uint8, the values times 255 and truncated; if not, the dtype is that of x.

    Returns:
        The sheet ((height + spacing) * rows - spacing, (width + spacing) * columns - spacing); with four channels it
        has a last dimension of 4.

    Raises:
        ValueError: x does not have one of these shapes.

    Source: the tutorials' ``utils.py``.
    """
    if isinstance(x, tuple):
        options = (image_shape, tile_shape, tile_spacing, scale_rows_to_unit_interval, output_pixel_vals)
        return _stack_channels(
            x, lambda channel: tile_raster_images(channel, *options), 255 if output_pixel_vals else 1
        )
    (height, width), (rows, columns), (gap_y, gap_x) = image_shape, tile_shape, tile_spacing
    if x.ndim != 2 or x.shape[1] != height * width:
        raise ValueError(f"x has the shape {x.shape}; images of {height} x {width} need (images, {height * width})")
    size = (height + gap_y) * rows - gap_y, (width + gap_x) * columns - gap_x
    sheet = np.zeros(size, np.uint8 if output_pixel_vals else x.dtype)
    for index, row in enumerate(x[: rows * columns]):
        top, left = (index // columns) * (height + gap_y), (index % columns) * (width + gap_x)
        image = row.reshape(height, width)
        image = scale_to_unit_interval(image) if scale_rows_to_unit_interval else image
        sheet[top : top + height, left : left + width] = image * 255 if output_pixel_vals else image
    return sheet


def _stack_channels(channels: Channels, tile: Callable[[NDArray[Any]], NDArray[Any]], opaque: int) -> NDArray[Any]:
    """Four sheets along a last dimension: black for a missing colour, ``opaque`` for a missing alpha."""
    if len(channels) != 4 or all(channel is None for channel in channels):
        raise ValueError(f"a tuple has red, green, blue, alpha, at least one not None; got {len(channels)} items")
    sheets = [None if channel is None else tile(channel) for channel in channels]
    first = next(sheet for sheet in sheets if sheet is not None)
    missing = [np.full_like(first, value) for value in (0, 0, 0, opaque)]
    return np.stack([m if s is None else s for s, m in zip(sheets, missing, strict=True)], axis=-1).astype(first.dtype)


def confusion_matrix_figure(labels: Sequence[int], predicted: Sequence[int], num_classes: int) -> NDArray[np.uint8]:
    """The confusion matrix of the test set as an image (height, width, 3).

    As scikit-learn draws it, which takes half a second to import: it imports pandas.
    """
    from matplotlib.figure import Figure

    pairs = np.stack([labels, predicted]).astype(np.int64)
    known = pairs[:, (pairs >= 0).all(0) & (pairs < num_classes).all(0)]  # -100 is a label that the loss ignores
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, tuple(known), 1)
    figure = Figure(figsize=(6, 5.4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(matrix, cmap="Blues", interpolation="nearest")
    middle = (matrix.max() + matrix.min()) / 2
    for (row, column), count in np.ndenumerate(matrix):
        color = image.cmap(1.0 if count < middle else 0)
        text = axes.text(column, row, str(count), ha="center", va="center", color=color)
        text.set_in_layout(False)  # it is inside the axes; measuring a hundred numbers would take most of the time
    axes.set(title="test set", xlabel="predicted", ylabel="true", xticks=range(num_classes), yticks=range(num_classes))
    return figure_to_image(figure)


def draw_learning_curves(metrics: Path, best: dict[str, Any] | None = None) -> NDArray[np.uint8] | None:
    """Plot every metric that a run logged at least twice against the updates; a panel for losses, one for errors, ...

    Args:
        metrics: the run's metrics.csv.
        best: ``best`` of the run's summary, with metric and value; its first point is marked.

    Returns:
        An image (height, width, 3), with errors in per cent; None if no metric was logged twice, or no file is there.
    """
    from matplotlib.figure import Figure

    curves = {name: points for name, points in read_metrics(metrics).items() if len(points) > 1}
    panels = list(dict.fromkeys(map(_panel, curves)))  # in the order of their columns, which is that of training
    figure = Figure(figsize=(7, 3 * len(panels)), dpi=100, layout="constrained")
    for row, panel in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, row + 1)
        scale, unit = (100, " (%)") if is_percentage(panel) else (1, "")
        for name in (name for name in curves if _panel(name) == panel):
            updates, values = map(np.array, zip(*curves[name], strict=True))
            (line,) = axes.plot(updates, values * scale, label=name)
            # a stage's name may stand before that of the monitored metric
            if best and f"/{name}".endswith(f"/{best['metric']}") and (at := values == best["value"]).any():
                first = at.argmax()
                axes.plot(
                    updates[first], best["value"] * scale, "*", color=line.get_color(), markersize=12, label="best"
                )
        axes.set(xlabel="updates", ylabel=panel + unit)
        axes.legend()
    return figure_to_image(figure) if panels else None


def _panel(name: str) -> str:
    """The panel of a metric: ``pretrain/0/loss`` for pretrain/0/val/loss, so that splits share one."""
    return "/".join(word for word in name.split("/") if word not in ("train", "val", "test"))


def figure_to_image(figure: "Figure") -> NDArray[np.uint8]:
    """Render a Matplotlib figure as an RGB image (height, width, 3), without a window or pyplot's global state.

    For a module's ``figures()``. Make the figure with ``matplotlib.figure.Figure(...)``, not with pyplot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's canvas is partly typed
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3]  # type: ignore[no-untyped-call]


def save_png(image: NDArray[np.uint8], path: Path) -> None:
    """Write a grey (height, width), RGB or RGBA image (height, width, 3 or 4)."""
    from PIL import Image

    with atomic_write(path) as temporary_path:
        Image.fromarray(image).save(temporary_path, format="PNG")


def module_figures(model: pl.LightningModule) -> dict[str, NDArray[np.uint8]]:
    """Name to image: the module's ``figures()``, in evaluation mode without gradients; empty without that method."""
    model.eval()
    figures = optional_method(model, "figures")
    with torch.inference_mode(), np.errstate(invalid="ignore"):  # weights of a run that diverged are black
        return figures() if figures else {}


def all_figures(model: pl.LightningModule, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
    """Name to image: the module's ``figures()`` and ``data_figures(data)``, and a classifier's confusion matrix."""
    figures = module_figures(model)
    if data_figures := optional_method(model, "data_figures"):
        with torch.inference_mode():
            figures = {**figures, **data_figures(data)}
    num_classes = getattr(data, "num_classes", None)
    if num_classes is not None and (labels := predict_labels(model, data, num_classes)) is not None:
        figures["confusion_matrix"] = confusion_matrix_figure(*labels, num_classes)
    return figures


def predict_labels(
    model: pl.LightningModule, data: pl.LightningDataModule, num_classes: int
) -> tuple[list[int], list[int]] | None:
    """True and predicted labels of the test set; None where `class_probabilities` is."""
    predicted = class_probabilities(model, data, num_classes)
    if predicted is None:
        return None
    labels, probabilities = predicted
    return labels.tolist(), probabilities.argmax(1).tolist()


def class_probabilities(
    model: pl.LightningModule,
    data: pl.LightningDataModule,
    num_classes: int,
    convert: Callable[[Any], Any] = lambda batch: batch,
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """True labels (examples,) and class probabilities (examples, num_classes) of the test set.

    None unless the dataset has one DataLoader of test data, with batches (x, y) of labels y (examples,), for which
    ``predict_step`` returns class probabilities (examples, num_classes). ``convert`` prepares a batch.
    """
    if not is_overridden("predict_step", model, pl.LightningModule):
        return None
    if not is_overridden("test_dataloader", data, pl.LightningDataModule):
        return None
    loader = data.test_dataloader()
    if isinstance(loader, (list, tuple, dict)):
        return None
    model.eval()
    labels: list[torch.Tensor] = []
    predicted: list[torch.Tensor] = []
    with torch.inference_mode():
        for index, batch in enumerate(loader):
            if not _is_labelled(batch):
                return None
            on_device = model.transfer_batch_to_device(convert(batch), model.device, 0)
            probabilities = predict_batch(model, on_device, index)
            if not isinstance(probabilities, torch.Tensor) or probabilities.shape[1:] != (num_classes,):
                return None
            labels.append(batch[1])
            predicted.append(probabilities.cpu() if probabilities.element_size() > 2 else probabilities.float().cpu())
    if not labels:
        return np.zeros(0, np.int64), np.zeros((0, num_classes))
    return torch.cat(labels).numpy(), torch.cat(predicted).numpy()


def predict_batch(model: pl.LightningModule, batch: Any, batch_idx: int) -> Any:
    """What the module's ``predict_step`` returns for a batch; as with Lightning, it may do without ``batch_idx``."""
    predict: Callable[..., Any] = model.predict_step
    return predict(batch, batch_idx) if is_param_in_hook_signature(predict, "batch_idx", min_args=2) else predict(batch)


def _is_labelled(batch: Any) -> bool:
    """Whether a batch is (x, y) with labels y (examples,)."""
    y = batch[1] if isinstance(batch, (list, tuple)) and len(batch) > 1 else None
    return isinstance(y, torch.Tensor) and y.ndim == 1 and not y.is_floating_point()
