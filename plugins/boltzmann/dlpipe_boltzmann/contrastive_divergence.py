"""The training signal: data against what a short Gibbs chain makes of it."""

from typing import NamedTuple

from torch import Generator, Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_preactivation, mean_free_energy
from dlpipe_boltzmann.gibbs import ChainEnd, run_chain, sample_units


class ContrastiveDivergence(NamedTuple):
    """What an update needs, and what tells how it goes.

    Args:
        loss: a scalar; its gradient is the estimate of that of minus the mean log-likelihood.
        end: of the chains.
        preactivation: of the hidden units at the end, (chains, num_hidden): a sample of them goes on as a
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
    """mean F(x) - mean F(end of the chains), where the end counts as a constant.

    The first term is of x itself, also where it is grey; a chain is binary. The value of the loss is no measure of
    progress.

    Args:
        parameters: to be differentiated.
        x: a minibatch, (batch, num_visible).
        num_steps: of the chains; visible samples.
        chain: hidden states (chains, num_hidden) that persistent chains were left in (PCD); None to start from a
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
