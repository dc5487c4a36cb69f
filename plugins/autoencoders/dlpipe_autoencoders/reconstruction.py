"""The loss of an autoencoder."""

import torch.nn.functional as F
from torch import Tensor


def reconstruction_loss(logits: Tensor, x: Tensor) -> Tensor:
    """-1/n sum_n sum_k [x_nk log z_nk + (1 - x_nk) log(1 - z_nk)], z = sigmoid(logits): a scalar.

    The cross-entropy is summed over pixels and averaged over examples. The mean over pixels, which
    `F.binary_cross_entropy` gives by default, is 784 times smaller on MNIST and needs another learning rate.
    Log and sigmoid are computed together, which cannot give log(0).

    Args:
        logits: (examples, pixels).
        x: the target, the same shape, entries in [0, 1].

    Source: "Denoising Autoencoders (dA)".
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
