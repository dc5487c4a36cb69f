"""A stranger's LightningModule: it knows nothing of dlpipe and brings its own optimizer."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ThirdParty(pl.LightningModule):
    """A multilayer perceptron trained with Adam."""

    def __init__(self, num_hidden: int = 500, learning_rate: float = 0.001) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.layers = nn.Sequential(nn.Linear(784, num_hidden), nn.ReLU(), nn.Linear(num_hidden, 10))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a minibatch."""
        x, y = batch
        return F.cross_entropy(self.layers(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log val/loss."""
        x, y = batch
        self.log("val/loss", F.cross_entropy(self.layers(x), y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)
