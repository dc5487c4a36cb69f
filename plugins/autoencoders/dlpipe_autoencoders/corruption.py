"""Masking noise."""

import torch
from torch import Tensor


def corrupt(x: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """x with each entry set to zero with probability ``level``, independently of the others.

    The other entries are unchanged: unlike in dropout, they are not divided by 1 - level.

    Args:
        x: any shape.
        level: from 0, which returns x itself and draws no random numbers, to 1, which zeroes everything.
        generator: torch's global one if None.

    Source: Vincent et al. (2008), Extracting and Composing Robust Features with Denoising Autoencoders, section 2.3.
    """
    if level == 0:
        return x
    # `torch.bernoulli` takes twice the time, and a product with a mask of bools converts it first
    mask = torch.rand(x.shape, generator=generator, device=x.device).ge_(level)
    return x * mask.to(x.dtype)
