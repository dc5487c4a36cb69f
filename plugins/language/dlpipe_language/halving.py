"""Halving the learning rate, from the best weights on, while there is no new best."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch

from dlpipe import PluginError

log = logging.getLogger(__name__)


class HalveAndGoBack(pl.Callback):
    """After some epochs without a new best: halve the learning rate and restore the best weights.

    The rate is then halved after each epoch until there is a new best; the weights are restored once and trained on
    with ever smaller rates. This is what the tutorial's code does, where the best network and the one in training are
    the same object after the first halving.

    Args:
        monitor: the metric; larger is better.
        epochs: number of epochs without a new best.
        least_lr: training stops below this learning rate.

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
        self.last_halved = -1  # epoch number

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check that no LR scheduler sets the learning rate as well.

        Raises:
            PluginError: there is an LR scheduler.
        """
        if trainer.lr_scheduler_configs:
            scheduler = type(trainer.lr_scheduler_configs[0].scheduler).__name__
            message = f"model.halve_after={self.epochs} halves the learning rate that {scheduler} sets"
            raise PluginError(f"{message}: set model.halve_after=null or scheduler=none")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save new best weights, or restore them and halve the learning rate."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor]))  # all ranks decide alike
        if value > self.best:
            self.best, self.best_epoch = value, trainer.current_epoch
            self.weights = {name: tensor.detach().clone() for name, tensor in pl_module.state_dict().items()}
            self.is_back = False
        elif trainer.current_epoch - self.best_epoch >= self.epochs and trainer.current_epoch > self.last_halved:
            self.last_halved = trainer.current_epoch
            restored = "" if self.is_back else "the best weights again, and "
            if not self.is_back:
                pl_module.load_state_dict(self.weights)
                self.is_back = True
            for optimizer in trainer.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] /= 2
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            log.info("no new best %s: %slearning rate %.3g", self.monitor, restored, rate)
            if rate < self.least_lr:
                trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch and weights, whether they were restored, and the epoch of the last halving."""
        names = ("best", "best_epoch", "is_back", "last_halved", "weights")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        for name, value in state_dict.items():
            setattr(self, name, value)
