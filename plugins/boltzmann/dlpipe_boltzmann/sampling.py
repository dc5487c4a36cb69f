"""Samples from machines stacked on each other, of which a single one is the smallest stack."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_mean, visible_preactivation
from dlpipe_boltzmann.gibbs import run_chain, sample_hidden, sample_units


@torch.no_grad()
def sample_stack(machines: Sequence[Parameters], x: Tensor, num_rows: int, num_steps: int) -> Tensor:
    """Means of the visible units along Gibbs chains, (num_rows, chains, num_visible).

    A chain runs in the top machine, from the means of x in those below it, and is read every ``num_steps`` steps. What
    it is then at is sampled downwards layer by layer; of the lowest layer the means are shown. Nothing shown goes back
    into the chain, which stays binary.

    Args:
        machines: from the lowest to the top one; the hidden units of each are the visible ones of the next.
        x: where chains start, (chains, num_visible).
        num_rows: how often they are read.
        num_steps: Gibbs steps from one time to the next.

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
