"""Metropolis acceptance, which leaves the density invariant whatever the step size."""

import torch
from torch import Tensor


def kinetic_energy(velocities: Tensor) -> Tensor:
    """1/2 sum v^2 of each chain, (chains,), of velocities (chains, dim); the mass is 1."""
    return velocities.square().sum(1).mul_(0.5)


def hamiltonian(energies: Tensor, velocities: Tensor) -> Tensor:
    """H = E(x) + 1/2 sum v^2, (chains,), of energies (chains,) and velocities (chains, dim)."""
    return kinetic_energy(velocities).add_(energies)


def metropolis_accept(before: Tensor, after: Tensor, uniform: Tensor) -> Tensor:
    """exp(H_before - H_after) >= u, independently for each chain; False where H_after is not finite.

    Args:
        before: H at the start of the move, (chains,), finite.
        after: H at its end, (chains,).
        uniform: draws from U[0, 1), (chains,).

    Returns:
        (chains,), bool.

    Source: "Hybrid Monte-Carlo Sampling", section "Metropolis-Hastings step".
    """
    return (torch.exp(before - after) >= uniform) & after.isfinite()
