"""The loss of contrastive divergence (CD-k) and its persistent form (PCD-k)."""

from typing import NamedTuple

from torch import Generator, Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_preactivation, mean_free_energy
from dlpipe_boltzmann.gibbs import ChainEnd, run_chain, sample_units


class ContrastiveDivergence(NamedTuple):
    """The loss of an update and the ends of its chains.

    Args:
        loss: a scalar; its gradient estimates the gradient of the negative mean log-likelihood.
        end: last states of the chains.
        preactivation: of the hidden units at the end, (chains, num_hidden); a sample of them continues a
            persistent chain.
    """

    loss: Tensor
    end: ChainEnd
    preactivation: Tensor


def contrastive_divergence(
    parameters: Parameters,
    x: Tensor,
    num_steps: int,
    chain: Tensor | None = None,
    generator: Generator | None = None,
) -> ContrastiveDivergence:
    """mean F(x) - mean F(end of the chains), where the end is treated as a constant.

    The first term uses x itself, grey levels included; chains are binary. The value of the loss does not measure
    progress.

    Args:
        parameters: of the machine; differentiated.
        x: a minibatch, (batch, num_visible).
        num_steps: Gibbs steps of each chain.
        chain: last hidden states (chains, num_hidden) of persistent chains (PCD); None to start from a
            sample of p(h | x) (CD).
        generator: torch's global one if None.

    Source: Hinton (2002), Training products of experts by minimizing contrastive divergence; Tieleman (2008),
    Training restricted Boltzmann machines using approximations to the likelihood gradient.
    """
    positive = hidden_preactivation(parameters, x)
    start = sample_units(positive, generator) if chain is None else chain
    end = run_chain(parameters, start, num_steps, generator)
    negative = hidden_preactivation(parameters, end.v)
    loss = mean_free_energy(parameters, x, positive) - mean_free_energy(parameters, end.v, negative)
    return ContrastiveDivergence(loss, end, negative.detach())
