"""The mean training loss of an epoch, for modules that do not log one."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from dlpipe.data import Minibatches


class EpochMeanLoss(pl.Callback):
    """Log ``train/loss``: the mean over an epoch's updates, and over ranks, of what ``training_step`` returned.

    Summed on the device and read once an epoch: `self.log` in every step costs more than a step of a small
    model. A module that logs ``train/loss`` itself is left alone.
    """

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count = 0
        self.divided: Minibatches | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a new sum; in double precision, as thousands of losses are added."""
        self.total, self.count = torch.zeros((), dtype=torch.float64, device=pl_module.device), 0
        loader = trainer.train_dataloader
        self.divided = loader if trainer.world_size > 1 and isinstance(loader, Minibatches) else None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the loss of one minibatch."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor) and self.total is not None:
            self.total += loss.detach() * self.divided.share(batch_idx) if self.divided else loss.detach()
            self.count += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the mean."""
        if self.count and self.total is not None and not _logged_in_a_step(trainer):
            pl_module.log("train/loss", trainer.strategy.reduce(self.total / self.count, reduce_op="mean"))


def _logged_in_a_step(trainer: pl.Trainer) -> bool:
    """Whether the module logs it; Lightning keeps what this callback logged at the end of earlier epochs, too."""
    metas = [result.meta for result in trainer._results.values()]  # type: ignore[union-attr]
    return any(meta.name == "train/loss" and meta.fx != "on_train_epoch_end" for meta in metas)
