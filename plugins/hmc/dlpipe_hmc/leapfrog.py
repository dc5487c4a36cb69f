"""Hamilton's equations by the leapfrog scheme."""

from collections.abc import Callable

import torch
from torch import Tensor


def leapfrog(
    positions: Tensor,
    velocities: Tensor,
    gradients: Tensor,
    gradient: Callable[[Tensor], Tensor],
    step_size: float,
    num_steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Follow dx/dt = v, dv/dt = -grad E(x) for a time of ``num_steps * step_size``.

    A half step of the velocity, a step of the position, then ``num_steps - 1`` times a step of both, and the other half
    step of the velocity: the two half steps between positions are one, so that a step takes one gradient. The error
    of the whole is of the order of the step size squared; the map preserves volume and, with the velocities turned
    round, undoes itself.

    Args:
        positions: (chains, dim).
        velocities: (chains, dim); the mass is 1.
        gradients: of the energy at ``positions``, (chains, dim).
        gradient: gives the gradients of the energy at any positions.
        step_size: of time.
        num_steps: at least 1.

    Returns:
        Positions and velocities at the end, and the gradients there.

    Raises:
        ValueError: ``num_steps`` is less than 1.

    Source: "Hybrid Monte-Carlo Sampling", section "Simulating Hamiltonian Dynamics"; Neal (2011), MCMC using
    Hamiltonian dynamics, section 2.3.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: must be at least 1")
    velocities = velocities.add(gradients, alpha=-0.5 * step_size)
    positions = positions.add(velocities, alpha=step_size)
    for _ in range(num_steps - 1):
        velocities.add_(gradient(positions), alpha=-step_size)
        positions.add_(velocities, alpha=step_size)
    gradients = gradient(positions)
    velocities.add_(gradients, alpha=-0.5 * step_size)
    return positions, velocities, gradients


def leapfrog_path(
    positions: Tensor, velocities: Tensor, gradient: Callable[[Tensor], Tensor], step_size: float, num_steps: int
) -> Tensor:
    """Positions before and after each of the steps of `leapfrog`, (num_steps + 1, chains, dim); arguments as there."""
    path, gradients = [positions], gradient(positions)
    for _ in range(num_steps):
        positions, velocities, gradients = leapfrog(positions, velocities, gradients, gradient, step_size, 1)
        path.append(positions)
    return torch.stack(path)
