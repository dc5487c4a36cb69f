"""Masking noise."""

import torch
from torch import Tensor


def corrupt(x: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """x with each entry set to zero with probability ``level``, independently of the others.

    The rest stays as it is: unlike dropout's, it is not divided by 1 - level.

    Args:
        x: any shape.
        level: from 0, which leaves x alone and draws nothing, up to 1, which leaves nothing.
        generator: torch's own if None.

    Source: Vincent et al. (2008), Extracting and Composing Robust Features with Denoising Autoencoders, section 2.3.
    """
    if level == 0:
        return x
    # the same as a Bernoulli draw, which takes twice the time
    kept = torch.rand(x.shape, generator=generator, device=x.device) >= level
    return x * kept
