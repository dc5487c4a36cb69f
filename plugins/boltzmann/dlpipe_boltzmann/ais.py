"""Annealed importance sampling: log Z of machines that are too large to enumerate."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_preactivation, visible_preactivation
from dlpipe_boltzmann.gibbs import sample_units


class LogPartition(NamedTuple):
    """An estimate of log Z.

    Args:
        value: the estimate.
        standard_error: of the value, provided that the chains reach the mass of Z. Near 1 a single chain outweighs all
            others, and the value is likely too small: use more temperatures.
    """

    value: float
    standard_error: float


@torch.no_grad()
def estimate_log_partition(
    parameters: Parameters,
    num_chains: int = 100,
    num_temperatures: int = 10_000,
    base: Tensor | None = None,
    generator: Generator | None = None,
) -> LogPartition:
    """log Z by annealing independent chains from a machine without weights to the one in question.

    Step by step beta rises evenly from 0 to 1; at beta a chain is one Gibbs step in the machine with weights beta W,
    visible bias (1 - beta) base + beta b and hidden bias beta c. Z itself is estimated without bias, and its
    logarithm with one of half the squared standard error.

    Args:
        parameters: of one machine; biases without a batch.
        num_chains: annealed side by side.
        num_temperatures: steps from 0 to 1.
        base: visible bias of the machine without weights, (num_visible,), such as the log-odds of the training
            data's mean; b if None.
        generator: torch's global one if None.

    Raises:
        ValueError: there are too few chains or temperatures.

    Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep belief networks, section 3.
    """
    if num_chains < 2 or num_temperatures < 1:
        raise ValueError(
            f"num_chains={num_chains}, num_temperatures={num_temperatures}: a standard error needs two chains, and "
            "annealing at least one temperature"
        )
    W, b, c = parameters
    base = b if base is None else base
    v = sample_units(base.expand(num_chains, -1), generator)
    log_weight = torch.zeros(num_chains, dtype=torch.float64, device=W.device)
    betas = torch.linspace(0, 1, num_temperatures + 1, dtype=torch.float64).tolist()
    for before, beta in pairwise(betas):
        hidden, visible = hidden_preactivation(parameters, v), v @ (b - base)
        log_weight += (beta - before) * visible
        log_weight += (F.softplus(beta * hidden) - F.softplus(before * hidden)).sum(1)
        h = sample_units(beta * hidden, generator)
        v = sample_units(torch.lerp(base, visible_preactivation(parameters, h), beta), generator)
    log_base = F.softplus(base).sum(dtype=torch.float64) + len(c) * math.log(2)
    return _log_mean_exp(log_base + log_weight)


def _log_mean_exp(log_weight: Tensor) -> LogPartition:
    """log of the mean of exp(log_weight), and its standard error by the delta method."""
    largest = log_weight.max()
    weight = torch.exp(log_weight - largest)
    error = weight.std() / weight.mean() / math.sqrt(len(weight))
    return LogPartition(float(largest + weight.mean().log()), float(error))
