"""A move leaves the density as it is; the statistics that say so reject every broken move they are shown."""

from functools import partial

import pytest
import torch

from dlpipe_hmc import move
from dlpipe_hmc.energy import autograd_gradient
from dlpipe_hmc.leapfrog import leapfrog
from dlpipe_hmc.move import begin, hmc_move

CHAINS = 50_000


def accept_all(before, after, uniform):
    return torch.ones_like(uniform, dtype=torch.bool)


def inverted(before, after, uniform):
    return torch.exp(after - before) >= uniform


def potential_alone(energies, velocities):
    return energies


def full_first_step(positions, velocities, gradients, gradient, step_size, num_steps):
    return leapfrog(positions, velocities - 0.5 * step_size * gradients, gradients, gradient, step_size, num_steps)


def no_last_step(positions, velocities, gradients, gradient, step_size, num_steps):
    positions, velocities, gradients = leapfrog(positions, velocities, gradients, gradient, step_size, num_steps)
    return positions, velocities + 0.5 * step_size * gradients, gradients


BROKEN = {
    "accepts everything": ("metropolis_accept", accept_all),
    "inverted ratio": ("metropolis_accept", inverted),
    "no kinetic energy": ("hamiltonian", potential_alone),
    "first half step is a whole one": ("leapfrog", full_first_step),
    "no last half step": ("leapfrog", no_last_step),
}


@pytest.fixture(params=BROKEN)
def broken(request, monkeypatch):
    monkeypatch.setattr(move, *BROKEN[request.param])


def standard_errors(values, expected=0.0):
    """How many standard errors the mean of independent values is off."""
    return float(abs(values.mean() - expected) / (values.std() / len(values) ** 0.5))


def coarse_step():
    """From N(0, 1), by ten moves of two steps of 1.0: E[x^2] stays 1."""
    generator = torch.Generator().manual_seed(5)
    chains = begin(torch.randn(CHAINS, 1, generator=generator), energy_of_normal, torch.clone)
    for _ in range(10):
        chains, _ = hmc_move(chains, energy_of_normal, torch.clone, 1.0, 2, generator)
    return standard_errors(chains.positions.square(), 1.0)


def energy_of_normal(positions):
    return positions.square().sum(1) / 2


def bounded(density, positions):
    """Functions of each coordinate, bounded as the funnel has heavy tails: an odd and an even one."""
    energy = density.energy
    z = (positions - energy.mean) / energy.covariance.diagonal().sqrt()
    return torch.cat([torch.tanh(z), z.square() / (1 + z.square())], 1)


def stationarity(density):
    """From exact draws, by one move: no mean may change. The worst change, in standard errors, and who accepted."""
    step_size = STEPS[type(density.energy).__name__]
    generator = torch.Generator().manual_seed(6)
    chains = begin(density.draw(CHAINS, generator), density.energy, density.energy.gradient)
    after, accepted = hmc_move(chains, density.energy, density.energy.gradient, step_size, 2, generator)
    changes = bounded(density, after.positions) - bounded(density, chains.positions)
    return max(standard_errors(change) for change in changes.T), accepted


# at which every broken move is off by more than six standard errors
STEPS = {"Gaussian": 0.6, "Banana": 0.6, "Funnel": 1.0, "GaussianRBM": 1.0}


def test_a_coarse_step_keeps_the_second_moment():
    assert coarse_step() < 5


@pytest.mark.usefixtures("broken")
def test_the_coarse_step_rejects_a_broken_move():
    assert coarse_step() > 5


def test_the_density_is_stationary(density):
    worst, accepted = stationarity(density)
    assert worst < 5
    assert 0.3 < accepted.double().mean() < 0.9  # coarse enough that accepting matters


@pytest.mark.usefixtures("broken")
def test_stationarity_rejects_a_broken_move(density):
    assert stationarity(density)[0] > 5


def short_run(density, gradient, seed=1):
    generator = torch.Generator().manual_seed(seed)
    chains = begin(density.draw(50, generator), density.energy, gradient)
    return chains, *hmc_move(chains, density.energy, gradient, 0.6, 3, generator)


def test_a_chain_that_is_rejected_stays_and_the_others_go(density):
    before, after, accepted = short_run(density, density.energy.gradient)
    assert accepted.any()
    assert not accepted.all()
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old[~accepted], new[~accepted])
    assert (before.positions != after.positions)[accepted].all()


def test_energies_and_gradients_are_those_of_the_positions(density):
    _, after, _ = short_run(density, density.energy.gradient)
    torch.testing.assert_close(after.energies, density.energy(after.positions), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(after.gradients, density.energy.gradient(after.positions), rtol=1e-13, atol=1e-13)


def test_autograd_gives_the_same_move(density):
    _, own, _ = short_run(density, density.energy.gradient)
    _, by_autograd, _ = short_run(density, partial(autograd_gradient, density.energy))
    torch.testing.assert_close(by_autograd.positions, own.positions, rtol=1e-10, atol=1e-10)


def test_draws_come_from_the_generator(density):
    runs = [short_run(density, density.energy.gradient, seed)[1].positions for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_a_chain_that_leaves_where_the_density_is_stays():
    """The density of x > 0 with energy x - log x: beyond 0 the energy is not a number."""

    def energy(positions):
        return (positions - positions.log()).sum(1)

    def gradient(positions):
        return 1 - 1 / positions

    generator = torch.Generator().manual_seed(0)
    chains = begin(torch.full((1000, 1), 0.05), energy, gradient)
    after, accepted = hmc_move(chains, energy, gradient, 0.5, 1, generator)
    assert not accepted.all()
    assert (after.positions > 0).all()
    assert after.energies.isfinite().all()
