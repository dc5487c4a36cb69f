"""Test a run's best weights."""

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe.runs.best_weights import load_weights
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import best_of
from dlpipe.stages import TRAIN, is_staged
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.prepared import Prepared
from dlpipe.training.trainer import find_callback

log = logging.getLogger(__name__)


def test_best(prepared: Prepared, trainer: pl.Trainer, data: pl.LightningDataModule) -> dict[str, float]:
    """Test the best weights with the last stage's Trainer; without a test, log why and return no metrics."""
    options = _load_best(prepared, trainer)
    if reason := _reason_not_tested(prepared, data):
        log.info("no test: %s", reason)
        return {}
    tests = trainer.test(prepared.model, datamodule=data, verbose=False, **options)
    if not tests:
        log.info("no test: limit_test_batches=0")
        return {}
    return {name: float(value) for name, value in tests[0].items()}


def _load_best(prepared: Prepared, trainer: pl.Trainer) -> dict[str, Any]:
    """Load the best weights; or return the arguments with which `Trainer.test` loads them on each rank.

    A model with stages already has the best weights of each.
    """
    checkpoints = find_callback(trainer, BestAndLast)
    if is_staged(prepared.model):
        for logger in trainer.loggers:
            logger.stage = TRAIN  # type: ignore[attr-defined]  # the test belongs to the run, not to a stage
    elif checkpoints and trainer.world_size > 1:
        read_checkpoint(checkpoints.best_path)  # refuses what Lightning's FSDP would unpickle
        return {"ckpt_path": str(checkpoints.best_path), "weights_only": True}
    elif checkpoints:
        load_weights(prepared.model, checkpoints.best_path)
    return {}


def _reason_not_tested(prepared: Prepared, data: pl.LightningDataModule) -> str | None:
    last, directory = prepared.stages[-1], Path(prepared.config.output_dir)
    is_trained = last.name in [stage.name for stage in prepared.selected_stages]
    if not is_trained and not best_of(directory, last.name).is_file():
        return f"stage {last.name} has not been trained"
    return reason_not_testable(prepared.model, data)


def reason_not_testable(model: pl.LightningModule, data: pl.LightningDataModule) -> str | None:
    """What the model or the dataset lacks; None if it can be tested."""
    if not is_overridden("test_step", model, pl.LightningModule):
        return f"{type(model).__name__} has no test_step"
    if not is_overridden("test_dataloader", data, pl.LightningDataModule):
        return f"{type(data).__name__} has no test data"
    return None
