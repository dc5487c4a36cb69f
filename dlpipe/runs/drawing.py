"""All the pictures of a run: of its best weights, and of the checkpoints it kept on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from dlpipe.figures import all_figures, module_figures
from dlpipe.runs.best_weights import load_weights
from dlpipe.runs.directory import CHECKPOINTS
from dlpipe.stages import stages_of


def draw_figures(
    directory: Path,
    model: pl.LightningModule,
    data: pl.LightningDataModule,
    build_model: Callable[[], pl.LightningModule],
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names, with the stage as folders, and pictures: ``pretrain/0/filters_epoch_0003``.

    Args:
        directory: of the run.
        model: of it, with its best weights.
        data: of it, set up for testing.
        build_model: builds it again, for the weights of other checkpoints.
    """
    yield from all_figures(model, data).items()
    for stage in stages_of(build_model()):
        for kept in sorted((directory / CHECKPOINTS / stage.name).glob("epoch_*.ckpt")):
            load_weights(stage.module, kept)
            for name, image in module_figures(stage.module).items():
                yield f"{stage.name}/{name}_{kept.stem}".removeprefix("/"), image
