"""All figures of a run: its learning curves, from its best weights, and from the checkpoints kept every N epochs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from dlpipe.contract import Figures
from dlpipe.figures import all_figures, draw_learning_curves, module_figures
from dlpipe.runs.best_weights import latest_of, load_weights
from dlpipe.runs.contact_sheet import contact_sheet
from dlpipe.runs.directory import CHECKPOINTS, METRICS
from dlpipe.stages import stages_of

NamedImage = tuple[str, NDArray[np.uint8]]
LONGER_SIDE = 400  # pixels; a sheet of LeNet's filters has 59 x 11


def draw_figures(
    directory: Path,
    model: pl.LightningModule,
    data: pl.LightningDataModule | None,
    build_model: Callable[[], pl.LightningModule],
    best: dict[str, Any] | None,
) -> Iterator[NamedImage]:
    """Figures with their names, in which the stage is a folder: ``pretrain/0/filters_epoch_0003``.

    Args:
        directory: the run's directory.
        model: the run's model, with its best weights.
        data: the run's dataset, set up for testing; None where the last stage has no weights yet, so that the modules
            of the stages before it are drawn instead of the model.
        build_model: builds the model again, to load other checkpoints into it.
        best: ``best`` of the run's summary, which the learning curves mark.
    """
    if (curves := draw_learning_curves(directory / METRICS, best)) is not None:
        yield "learning_curves", curves
    for name, image in (_stages_so_far(directory, model) if data is None else all_figures(model, data)).items():
        yield name, enlarge(image)
    for stage in stages_of(build_model()):
        for name, image in _kept_figures(directory / CHECKPOINTS / stage.name, stage.module):
            yield f"{stage.name}/{name}".removeprefix("/"), image


def _stages_so_far(directory: Path, model: pl.LightningModule) -> Figures:
    """The figures of the stages that have a checkpoint."""
    return {
        f"{stage.name}/{name}": image
        for stage in stages_of(model)
        if latest_of(directory, stage.name)
        for name, image in module_figures(stage.module).items()
    }


def _kept_figures(folder: Path, module: pl.LightningModule) -> Iterator[NamedImage]:
    """The module's figures for each checkpoint that was kept, then each figure's contact sheet of all these epochs."""
    by_epoch: dict[str, list[NamedImage]] = {}
    for checkpoint in sorted(folder.glob("epoch_*.ckpt"), key=lambda path: (len(path.name), path.name)):
        load_weights(module, checkpoint)
        label = f"epoch {checkpoint.stem.removeprefix('epoch_').lstrip('0')}"
        for name, image in module_figures(module).items():
            enlarged = enlarge(image)
            yield f"{name}_{checkpoint.stem}", enlarged
            by_epoch.setdefault(name, []).append((label, enlarged))
    for name, pictures in by_epoch.items():
        if len(pictures) > 1:
            yield f"{name}_by_epoch", contact_sheet(pictures)


def enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image whose longer side has at least 400 pixels: each pixel of a smaller one becomes a square."""
    zoom = -(-LONGER_SIDE // max(image.shape[:2]))
    return image.repeat(zoom, axis=0).repeat(zoom, axis=1)
