"""Checks of callbacks of Lightning's own that cannot work in a run, or only without effect."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    DeviceStatsMonitor,
    LearningRateFinder,
    LearningRateMonitor,
    ModelCheckpoint,
    ModelPruning,
    OnExceptionCheckpoint,
    SpikeDetection,
    StochasticWeightAveraging,
    ThroughputMonitor,
)

from dlpipe.errors import Problem
from dlpipe.runs.directory import CHECKPOINTS

REFUSED: dict[type[pl.Callback], str] = {
    LearningRateFinder: "trains before the run, which could not be reproduced; sweep instead: -m optimizer.lr=0.1,0.01",
    BatchSizeFinder: "trains before the run, which could not be reproduced; set recipe.batch_size",
    OnExceptionCheckpoint: "would have Lightning start from its checkpoint; leave it out: a failed run has a last.ckpt",
    StochasticWeightAveraging: "averages weights only after the last validation, so the best checkpoint, which is "
    "tested, would never have them, and loses its schedule when a run is resumed; choose EMAWeightAveraging",
    SpikeDetection: "saves a state that Lightning cannot load, so the run could not be resumed; leave it out: "
    "on_nan=stop stops a run that diverges",
    ModelPruning: "renames parameters in training, and its masks are lost when a run is resumed; prune a finished run",
}
NEED_A_LOGGER = (LearningRateMonitor, DeviceStatsMonitor, ThroughputMonitor)


def callback_problems(
    config: DictConfig, module: pl.LightningModule, callbacks: Sequence[pl.Callback]
) -> list[Problem]:
    """Problems with the callbacks of a stage, from the config, the stage or its module.

    Args:
        config: the stage's config.
        module: the stage's module, whose ``configure_callbacks`` is called.
        callbacks: those of the stage's Trainer.
    """
    try:
        own = module.configure_callbacks()
    except Exception:  # it may need the Trainer, which calls it again
        own = []
    every = [*callbacks, *(own if isinstance(own, Sequence) else [own])]
    return [
        Problem(f"callback {type(callback).__name__}", what)
        for callback in every
        for what in _reasons(config, callback)
    ]


def _reasons(config: DictConfig, callback: pl.Callback) -> Iterator[str]:
    yield from (reason for kind, reason in REFUSED.items() if isinstance(callback, kind))
    if isinstance(callback, NEED_A_LOGGER) and not config.logger:
        yield "needs a logger; choose logger=csv"
    if isinstance(callback, DeviceStatsMonitor) and not find_spec("psutil"):
        yield "needs psutil: pip install psutil"
    if isinstance(callback, ModelCheckpoint) and not callback.dirpath and not config.logger:
        yield "needs a logger, or dirpath: it would write among the run's own checkpoints"
    if isinstance(callback, ModelCheckpoint) and _is_ours(config, callback.dirpath):
        yield f"dirpath={callback.dirpath} is the folder of the run's own checkpoints; leave it out, or choose another"


def _is_ours(config: DictConfig, folder: str | Path | None) -> bool:
    """Whether a folder is, or is in, the one of `BestAndLast`."""
    root = Path(config.output_dir, CHECKPOINTS).absolute()
    return folder is not None and Path(folder).absolute().is_relative_to(root)
