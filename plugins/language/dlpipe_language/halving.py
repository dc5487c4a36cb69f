"""The learning rate halved, from the best weights on, for as long as nothing gets better."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch

log = logging.getLogger(__name__)


class HalveAndGoBack(pl.Callback):
    """Where a metric has had no new best for some epochs: halve the learning rate and take the best weights again.

    So after each epoch from then on, until there is a new best. The weights that are gone back to are a copy; the
    tutorial's code goes on training the very ones it keeps as the best.

    Args:
        monitor: the metric; larger is better.
        epochs: so many.
        least_lr: a smaller learning rate ends the run.

    Source: "Recurrent Neural Networks with Word Embeddings", ``decay``.
    """

    def __init__(self, monitor: str, epochs: int, least_lr: float) -> None:
        self.monitor = monitor
        self.epochs = epochs
        self.least_lr = least_lr
        self.best = -float("inf")
        self.best_epoch = 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep new best weights, or go back to them."""
        if trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self.monitor])
        if value > self.best:
            self.best, self.best_epoch = value, trainer.current_epoch
            self.weights = {name: tensor.detach().clone() for name, tensor in pl_module.state_dict().items()}
        elif trainer.current_epoch - self.best_epoch >= self.epochs:
            pl_module.load_state_dict(self.weights)
            for optimizer in trainer.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] /= 2
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            log.info("no new best %s: the best weights again, and learning rate %.3g", self.monitor, rate)
            if rate < self.least_lr:
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch, and the weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.weights = dict(state_dict["weights"])
