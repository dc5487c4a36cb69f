"""Vectors of words on the unit sphere, and which of them lie close together."""

import torch
from torch import Tensor


@torch.no_grad()
def to_unit_sphere(vectors: Tensor) -> None:
    """Divide each row of ``vectors`` (words, size) by its length, in place; a row of zeros stays."""
    vectors.div_(vectors.norm(dim=1, keepdim=True).clamp_(min=torch.finfo(vectors.dtype).tiny))


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
