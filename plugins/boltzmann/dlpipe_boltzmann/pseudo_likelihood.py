"""The pseudo-likelihood: how well each unit is predicted from all the others."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_preactivation


def stochastic_pseudo_likelihood(parameters: Parameters, v: Tensor, bits: Tensor) -> Tensor:
    """num_visible * log p(v_i | all other units) for one bit i of each example, (batch,).

    For a bit chosen at random its mean is `pseudo_likelihood`.

    Args:
        parameters: of the machine.
        v: zeros and ones, (batch, num_visible).
        bits: which bit of each example, int64, (batch,); or (1,), the same of all.

    Source: "Restricted Boltzmann Machines", section "Proxies to Likelihood".
    """
    preactivation = hidden_preactivation(parameters, v)
    return v.shape[1] * _log_conditional(parameters, v, preactivation, _hidden_part(preactivation), bits)


def pseudo_likelihood(parameters: Parameters, v: Tensor) -> Tensor:
    """sum_i log p(v_i | all other units), (batch,); every term takes a pass over the hidden units.

    Args:
        parameters: of the machine.
        v: zeros and ones, (batch, num_visible).
    """
    preactivation = hidden_preactivation(parameters, v)
    before = _hidden_part(preactivation)
    total = torch.zeros_like(before)
    # summed in the loop: a list of small results between large temporaries would fragment the heap by gigabytes
    for bit in torch.split(torch.arange(v.shape[1], device=v.device), 1):
        total += _log_conditional(parameters, v, preactivation, before, bit)
    return total


def _log_conditional(parameters: Parameters, v: Tensor, preactivation: Tensor, before: Tensor, bits: Tensor) -> Tensor:
    """log p(v_i | all other units) = log sigmoid(F(v with bit i flipped) - F(v)), (batch,).

    A flip changes v W + c by a row of W and b.v by an entry of b, so that no product is needed for it.
    """
    bits = bits.expand(len(v))
    flip = 1 - 2 * v.gather(1, bits.unsqueeze(1))  # (batch, 1): 1 to a one, -1 to a zero
    flipped = torch.addcmul(preactivation, flip, parameters.W.index_select(0, bits))
    visible_part = (flip * parameters.b.expand_as(v).gather(1, bits.unsqueeze(1))).squeeze(1)
    return F.logsigmoid(before - _hidden_part(flipped) - visible_part)


def _hidden_part(preactivation: Tensor) -> Tensor:
    """sum_j softplus(c_j + (v W)_j): the hidden units' part of minus the free energy, (batch,)."""
    return F.softplus(preactivation).sum(1)
