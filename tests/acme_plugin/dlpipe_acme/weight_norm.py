"""A callback that logs the norm of the weights."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer


class WeightNorm(Callback):
    """Log the Euclidean norm of all parameters as train/weight_norm."""

    def __init__(self, every_n_epochs: int = 1) -> None:
        self.every_n_epochs = every_n_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            norms = [parameter.detach().norm() for parameter in pl_module.parameters()]
            pl_module.log("train/weight_norm", torch.stack(norms).norm())
