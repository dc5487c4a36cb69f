"""The restricted Boltzmann machine of binary units: its energy, its free energy and its conditional means.

p(v, h) = exp(-E(v, h)) / Z. Visible units v and hidden units h are 0 or 1; v may also lie between, as grey levels do.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Parameters(NamedTuple):
    """Weights and biases of a machine.

    A bias may have a row for each example of a minibatch, for example where it depends on earlier frames.

    Args:
        W: weights, (num_visible, num_hidden).
        b: visible bias, (num_visible,) or (batch, num_visible).
        c: hidden bias, (num_hidden,) or (batch, num_hidden).
    """

    W: Tensor
    b: Tensor
    c: Tensor

    def detach(self) -> "Parameters":
        """The same tensors, detached from the graph."""
        return Parameters(self.W.detach(), self.b.detach(), self.c.detach())


def hidden_preactivation(parameters: Parameters, v: Tensor) -> Tensor:
    """v W + c, (batch, num_hidden) for v (batch, num_visible): p(h_j = 1 | v) is its sigmoid."""
    return torch.addmm(parameters.c, v, parameters.W)


def visible_preactivation(parameters: Parameters, h: Tensor) -> Tensor:
    """h W^T + b, (batch, num_visible) for h (batch, num_hidden): p(v_i = 1 | h) is its sigmoid."""
    return torch.addmm(parameters.b, h, parameters.W.t())


def hidden_mean(parameters: Parameters, v: Tensor) -> Tensor:
    """p(h_j = 1 | v), (batch, num_hidden) for v (batch, num_visible)."""
    return torch.sigmoid(hidden_preactivation(parameters, v))


def visible_mean(parameters: Parameters, h: Tensor) -> Tensor:
    """p(v_i = 1 | h), (batch, num_visible) for h (batch, num_hidden)."""
    return torch.sigmoid(visible_preactivation(parameters, h))


def energy(parameters: Parameters, v: Tensor, h: Tensor) -> Tensor:
    """E(v, h) = -b.v - c.h - v W h, (batch,) for v (batch, num_visible) and h (batch, num_hidden)."""
    return -(v * visible_preactivation(parameters, h)).sum(-1) - (h * parameters.c).sum(-1)


def free_energy(parameters: Parameters, v: Tensor) -> Tensor:
    """F(v) = -b.v - sum_j softplus(c_j + (v W)_j), (batch,) for v (batch, num_visible): p(v) = exp(-F(v)) / Z.

    Source: "Restricted Boltzmann Machines", section "RBMs with binary units".
    """
    return -(v * parameters.b).sum(-1) - F.softplus(hidden_preactivation(parameters, v)).sum(-1)


def mean_free_energy(parameters: Parameters, v: Tensor, preactivation: Tensor) -> Tensor:
    """The mean of `free_energy` over a batch, a scalar, from the `hidden_preactivation` of v.

    One sum over all units: summing rows and then averaging takes several passes, in backward too.
    """
    b = parameters.b
    visible = v.mean(0).dot(b) if b.ndim == 1 else (v * b).sum() / v.shape[0]
    return -visible - F.softplus(preactivation).sum() / v.shape[0]
