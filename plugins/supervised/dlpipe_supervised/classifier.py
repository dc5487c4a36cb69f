"""The training, validation, test and prediction steps that all classifiers share."""

from abc import ABC, abstractmethod
from typing import Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from dlpipe_supervised.losses import negative_log_likelihood, zero_one_loss


class Classifier(pl.LightningModule, ABC):
    """A module that gives logits of classes, trained on the mean negative log-likelihood; a subclass has `forward`."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features)."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The mean negative log-likelihood of a minibatch."""
        x, y = batch
        return negative_log_likelihood(self(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log val/loss and val/error."""
        x, y = batch
        log_scores(self, "val", self(x), y)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/loss and test/error."""
        x, y = batch
        log_scores(self, "test", self(x), y)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Class probabilities (examples, num_classes)."""
        return torch.softmax(self(batch[0]), 1)  # of files, `predict` has no labels


def log_scores(module: pl.LightningModule, split: Literal["val", "test"], logits: Tensor, labels: Tensor) -> None:
    """Log ``split/loss`` and ``split/error``; Lightning takes the mean over all examples of the split.

    Args:
        module: logs them.
        split: the beginning of their names.
        logits: (examples, num_classes).
        labels: (examples,), int64.
    """
    metrics = {
        f"{split}/error": zero_one_loss(logits, labels),
        f"{split}/loss": negative_log_likelihood(logits, labels),
    }
    module.log_dict(metrics, batch_size=len(labels))
