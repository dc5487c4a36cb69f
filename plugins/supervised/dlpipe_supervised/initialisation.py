"""The tutorials' initial weights."""

import math

import torch
from torch import Tensor


def tanh_bound(fan_in: int, fan_out: int) -> float:
    """sqrt(6 / (fan_in + fan_out)): keeps activations and gradients at one scale under tanh.

    Source: Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward networks.
    """
    return math.sqrt(6.0 / (fan_in + fan_out))


def sigmoid_bound(fan_in: int, fan_out: int) -> float:
    """Four times `tanh_bound`: sigmoid(x) is (1 + tanh(x / 2)) / 2, a quarter as steep at 0.

    Source: the tutorials' rule for sigmoid layers, which they attribute to the same paper.
    """
    return 4 * tanh_bound(fan_in, fan_out)


@torch.no_grad()
def uniform_(weight: Tensor, bound: float) -> None:
    """Draw from U[-bound, bound], in place."""
    weight.uniform_(-bound, bound)
