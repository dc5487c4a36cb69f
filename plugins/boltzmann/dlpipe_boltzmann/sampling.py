"""Samples from a stack of machines, or from a single one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_mean, visible_preactivation
from dlpipe_boltzmann.gibbs import run_chain, sample_hidden, sample_units


@torch.no_grad()
def sample_stack(machines: Sequence[Parameters], x: Tensor, num_rows: int, num_steps: int) -> Tensor:
    """Means of the visible units along Gibbs chains, (num_rows, chains, num_visible).

    A chain runs in the top machine, starting from x passed upwards as means. Every ``num_steps`` steps its visible
    state is sampled downwards layer by layer, with means for the lowest layer. This does not affect the chain, which
    stays binary.

    Args:
        machines: from the lowest to the top one; the hidden units of each are the visible ones of the next.
        x: where chains start, (chains, num_visible).
        num_rows: samples of each chain.
        num_steps: Gibbs steps between them.

    Source: "Restricted Boltzmann Machines", section "Sampling"; for a stack, Hinton, Osindero and Teh (2006), A fast
    learning algorithm for deep belief nets, section 7.
    """
    *below, top = machines
    for machine in below:
        x = hidden_mean(machine, x)
    h = sample_hidden(top, x)
    rows = []
    for _ in range(num_rows):
        preactivation, v = run_chain(top, h, num_steps)
        h = sample_hidden(top, v)
        for machine in reversed(below):
            preactivation = visible_preactivation(machine, v)
            v = sample_units(preactivation)
        rows.append(torch.sigmoid(preactivation))
    return torch.stack(rows)
