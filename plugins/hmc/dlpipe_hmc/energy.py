"""The interface of energies, and their gradients."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor


class Energy(Protocol):
    """E(x) = -log p(x) + constant of a density p.

    A class that is registered in the entry-point group ``dlpipe.energies`` need not inherit from this; one that a
    config names by its dotted path must.

    Optional: ``mean`` (dim,) and ``covariance`` (dim, dim), which the draws are compared with, and ``gradient``, which
    gives (chains, dim) for positions (chains, dim) and is much faster than autograd.
    """

    dim: int

    def __call__(self, positions: Tensor) -> Tensor:
        """Energies (chains,) of positions (chains, dim)."""
        ...


def gradient_of(energy: Energy) -> Callable[[Tensor], Tensor]:
    """The energy's own ``gradient``, or autograd's."""
    own: Callable[[Tensor], Tensor] | None = getattr(energy, "gradient", None)
    return own or partial(autograd_gradient, energy)


def autograd_gradient(energy: Energy, positions: Tensor) -> Tensor:
    """Gradients of each chain's energy, (chains, dim): that of their sum, as no energy depends on another chain."""
    positions = positions.detach().requires_grad_()
    with torch.enable_grad():
        total = energy(positions).sum()
    return torch.autograd.grad(total, positions)[0]
