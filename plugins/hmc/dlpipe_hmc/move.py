"""One move of Hamiltonian Monte Carlo."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from dlpipe_hmc.leapfrog import leapfrog
from dlpipe_hmc.metropolis import hamiltonian, metropolis_accept


class Chains(NamedTuple):
    """Positions of the chains, with their energies and gradients."""

    positions: Tensor  # (chains, dim)
    energies: Tensor  # (chains,)
    gradients: Tensor  # (chains, dim)


def begin(positions: Tensor, energy: Callable[[Tensor], Tensor], gradient: Callable[[Tensor], Tensor]) -> Chains:
    """Chains at ``positions`` (chains, dim)."""
    return Chains(positions, energy(positions), gradient(positions))


def hmc_move(
    chains: Chains,
    energy: Callable[[Tensor], Tensor],
    gradient: Callable[[Tensor], Tensor],
    step_size: float,
    num_leapfrog_steps: int,
    generator: Generator | None = None,
) -> tuple[Chains, Tensor]:
    """Draw velocities from N(0, 1), follow the dynamics, and accept or reject the end, independently for each chain.

    Leaves the density exp(-E) invariant. A chain whose end is rejected does not move.

    Args:
        chains: before the move.
        energy: E, gives (chains,) of positions (chains, dim).
        gradient: of E, gives (chains, dim).
        step_size: of the leapfrog steps.
        num_leapfrog_steps: of the move; each computes one gradient.
        generator: torch's global one if None.

    Returns:
        The chains after the move, and which were accepted: (chains,), bool.

    Source: "Hybrid Monte-Carlo Sampling", section "HMC Algorithm".
    """
    positions, energies, gradients = chains
    velocities = torch.empty_like(positions).normal_(generator=generator)
    end, end_velocities, end_gradients = leapfrog(
        positions, velocities, gradients, gradient, step_size, num_leapfrog_steps
    )
    end_energies = energy(end)
    uniform = torch.empty_like(energies).uniform_(generator=generator)
    accepted = metropolis_accept(hamiltonian(energies, velocities), hamiltonian(end_energies, end_velocities), uniform)
    moved = accepted.unsqueeze(1)
    after = Chains(
        torch.where(moved, end, positions),
        torch.where(accepted, end_energies, energies),
        torch.where(moved, end_gradients, gradients),
    )
    return after, accepted
