"""The learning rate halved, from the best weights on, for as long as nothing gets better."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch

log = logging.getLogger(__name__)


class HalveAndGoBack(pl.Callback):
    """Where a metric has had no new best for some epochs: halve the learning rate and take the best weights again.

    The rate is halved after each epoch from then on, until there is a new best; the weights are taken once, and trained
    on with the smaller and smaller rates: what the tutorial's code does, where the best network and the one in training
    are one object after the first halving.

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
        self.is_back = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep new best weights, or go back to them."""
        if trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self.monitor])
        if value > self.best:
            self.best, self.best_epoch = value, trainer.current_epoch
            self.weights = {name: tensor.detach().clone() for name, tensor in pl_module.state_dict().items()}
            self.is_back = False
        elif trainer.current_epoch - self.best_epoch >= self.epochs:
            told = "" if self.is_back else "the best weights again, and "
            if not self.is_back:
                pl_module.load_state_dict(self.weights)
                self.is_back = True
            for optimizer in trainer.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] /= 2
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            log.info("no new best %s: %slearning rate %.3g", self.monitor, told, rate)
            if rate < self.least_lr:
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch, its weights, and whether they have been taken again."""
        own = {"best": self.best, "best_epoch": self.best_epoch, "is_back": self.is_back}
        return {**own, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.is_back, self.weights = state_dict["is_back"], dict(state_dict["weights"])
