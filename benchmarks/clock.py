"""The clock of the Lightning variants."""

import json
import time
from pathlib import Path

import pytorch_lightning as pl
import torch


class Clock(pl.Callback):
    """Write seconds and updates of each epoch's training to a file; validation and what follows it is left out.

    No hook of it runs once a minibatch: such a hook would cost time, and keep dlpipe from taking several at once.

    Args:
        path: of the file, JSON.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.epochs: list[tuple[float, int]] = []
        self._started: tuple[float, int] | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start; where nothing is validated, the epoch before ends here."""
        self._stop(trainer)
        self._started = _seconds(trainer), trainer.global_step

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        self._stop(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop for good."""
        self._stop(trainer)
        self.path.write_text(json.dumps(self.epochs))

    def _stop(self, trainer: pl.Trainer) -> None:
        if self._started:
            seconds, step = self._started
            self.epochs.append((_seconds(trainer) - seconds, trainer.global_step - step))
            self._started = None


def _seconds(trainer: pl.Trainer) -> float:
    """The time after the GPU, if there is one, has done what was launched."""
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
