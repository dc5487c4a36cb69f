"""Vectors of words on the unit sphere, and which of them lie close together."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


@torch.no_grad()
def to_unit_sphere(vectors: Tensor) -> None:
    """Divide each row of ``vectors`` (words, size) by its length, in place; a row of zeros stays."""
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    vectors.div_(lengths.clamp_(min=torch.finfo(vectors.dtype).tiny))


def nearest(vectors: Tensor, count: int) -> Tensor:
    """For each row the rows with the largest cosine to it, closest first, itself left out: (words, count).

    Args:
        vectors: (words, size).
        count: how many, less than there are words.
    """
    units = vectors.detach().clone()
    to_unit_sphere(units)
    cosines = (units @ units.t()).fill_diagonal_(-torch.inf)
    return cosines.topk(count, 1).indices


class OntoUnitSphere(pl.Callback):
    """After each update of the optimizer, divide each row of ``vectors`` (words, size) by its length."""

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors
        self._hook: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin."""
        (optimizer,) = trainer.optimizers
        self._hook = optimizer.register_step_post_hook(lambda *_: to_unit_sphere(self.vectors))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End."""
        self._hook.remove()
