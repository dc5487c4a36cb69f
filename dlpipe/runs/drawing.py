"""All figures of a run: from its best weights, and from the checkpoints kept every N epochs."""

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
    """Figures with their names, in which the stage is a folder: ``pretrain/0/filters_epoch_0003``.

    Args:
        directory: the run's directory.
        model: the run's model, with its best weights.
        data: the run's dataset, set up for testing.
        build_model: builds the model again, to load other checkpoints into it.
    """
    yield from all_figures(model, data).items()
    for stage in stages_of(build_model()):
        for checkpoint in sorted((directory / CHECKPOINTS / stage.name).glob("epoch_*.ckpt")):
            load_weights(stage.module, checkpoint)
            for name, image in module_figures(stage.module).items():
                yield f"{stage.name}/{name}_{checkpoint.stem}".removeprefix("/"), image
