"""Word embeddings on the unit sphere, and their nearest neighbours."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


@torch.no_grad()
def to_unit_sphere(vectors: Tensor) -> None:
    """Divide each row of ``vectors`` (words, size) by its length, in place; rows of zeros are unchanged."""
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    vectors.div_(lengths.clamp_(min=torch.finfo(vectors.dtype).tiny))


def nearest(vectors: Tensor, count: int) -> Tensor:
    """For each row the other rows with the largest cosine similarity, closest first: (words, count).

    Args:
        vectors: (words, size).
        count: number of neighbours, less than the number of words.
    """
    units = vectors.detach().clone()
    to_unit_sphere(units)
    cosines = (units @ units.t()).fill_diagonal_(-torch.inf)
    return cosines.topk(count, 1).indices


class OntoUnitSphere(pl.Callback):
    """After each update of the optimizer, divide each row of ``vectors`` (words, size) by its length."""

    reads_gradients = False  # as a hook of the optimizer's step

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors
        self._hook: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hook into the optimizer."""
        (optimizer,) = trainer.optimizers
        self._hook = optimizer.register_step_post_hook(self)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the hook."""
        self._hook.remove()

    def __call__(self, *_: Any) -> None:
        """Normalise, as a hook that is called with the optimizer and its step's arguments."""
        to_unit_sphere(self.vectors)
