"""Block Gibbs sampling: all hidden units given the visible ones, then all visible units given the hidden ones."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from dlpipe_boltzmann.energy import Parameters, hidden_preactivation, visible_preactivation


class ChainEnd(NamedTuple):
    """The last state of Gibbs chains.

    Args:
        preactivation: of the visible units in the last step, (chains, num_visible); its sigmoid is their mean.
        v: the visible sample of the last step, (chains, num_visible).
    """

    preactivation: Tensor
    v: Tensor


@torch.no_grad()
def sample_units(preactivation: Tensor, generator: Generator | None = None) -> Tensor:
    """1 with probability sigmoid(preactivation), else 0, of the same shape and dtype.

    A uniform number below the probability takes a third of the time of `torch.bernoulli` on a CPU. Where sizes vary,
    as in a trace for pieces of every length, torch refuses a generator for `torch.rand`.
    """
    probability = torch.sigmoid(preactivation)
    return torch.empty_like(probability).uniform_(generator=generator).lt_(probability)


def sample_hidden(parameters: Parameters, v: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw h (batch, num_hidden) from p(h | v) for v (batch, num_visible)."""
    return sample_units(hidden_preactivation(parameters, v), generator)


def sample_visible(parameters: Parameters, h: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw v (batch, num_visible) from p(v | h) for h (batch, num_hidden)."""
    return sample_units(visible_preactivation(parameters, h), generator)


@torch.no_grad()
def run_chain(parameters: Parameters, h: Tensor, num_steps: int, generator: Generator | None = None) -> ChainEnd:
    """Go h -> v -> h -> ... -> v, with ``num_steps`` visible samples.

    Every state is a sample, never a mean; to continue a chain, start from `sample_hidden` of the last v.

    Args:
        parameters: of the machine.
        h: hidden states to start from, (chains, num_hidden).
        num_steps: the k of CD-k.
        generator: torch's global one if None.

    Raises:
        ValueError: ``num_steps`` is less than 1.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: a chain has at least one step")
    for _ in range(num_steps - 1):
        h = sample_hidden(parameters, sample_visible(parameters, h, generator), generator)
    preactivation = visible_preactivation(parameters, h)
    return ChainEnd(preactivation, sample_units(preactivation, generator))
