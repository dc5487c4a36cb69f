"""The leapfrog scheme: its order, what it preserves, and that broken ones are told from it."""

import math

import numpy as np
import pytest
import torch

from dlpipe_hmc.leapfrog import leapfrog, leapfrog_path


def late(positions, velocities, gradients, gradient, step_size, num_steps):
    """Without the half steps: a whole step of the velocity, then one of the position."""
    for _ in range(num_steps):
        velocities = velocities - step_size * gradient(positions)
        positions = positions + step_size * velocities
    return positions, velocities, gradient(positions)


def unfinished(positions, velocities, gradients, gradient, step_size, num_steps):
    """Without the last half step."""
    positions, velocities, gradients = leapfrog(positions, velocities, gradients, gradient, step_size, num_steps)
    return positions, velocities + 0.5 * step_size * gradients, gradients


def one_too_many(positions, velocities, gradients, gradient, step_size, num_steps):
    """The initial step of the position is done twice."""
    return leapfrog(positions + step_size * velocities, velocities, gradients, gradient, step_size, num_steps)


def euler(positions, velocities, gradients, gradient, step_size, num_steps):
    """Both from what they were before the step."""
    for _ in range(num_steps):
        slopes = gradient(positions)
        positions, velocities = positions + step_size * velocities, velocities - step_size * slopes
    return positions, velocities, gradient(positions)


BROKEN = [late, unfinished, one_too_many, euler]


def start(density, chains=4):
    generator = torch.Generator().manual_seed(3)
    positions = density.draw(chains, generator)
    return positions, torch.randn(positions.shape, generator=generator)


def flow(scheme, density, positions, velocities, step_size, num_steps):
    gradient = density.energy.gradient
    return scheme(positions, velocities, gradient(positions), gradient, step_size, num_steps)[:2]


def order_of(scheme, density):
    """The slope of log error over log step size, of where the dynamics are after a time of 0.4."""
    positions, velocities = start(density)
    exact = torch.cat(flow(leapfrog, density, positions, velocities, 0.4 / 4000, 4000), 1)
    steps = np.array([50, 100, 200, 400])
    errors = [(torch.cat(flow(scheme, density, positions, velocities, 0.4 / n, n), 1) - exact).norm() for n in steps]
    return np.polyfit(np.log(1 / steps), np.log(np.array(errors)), 1)[0]


def way_back(scheme, density):
    """How far from its start a chain is that comes back with its velocity turned round."""
    positions, velocities = start(density)
    there, turned = flow(scheme, density, positions, velocities, 0.05, 20)
    back, velocities_back = flow(scheme, density, there, -turned, 0.05, 20)
    return float(torch.cat([back - positions, velocities_back + velocities], 1).abs().max() / there.abs().max())


def test_the_error_falls_with_the_square_of_the_step_size(density):
    assert order_of(leapfrog, density) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("scheme", BROKEN)
def test_a_broken_scheme_is_not_of_second_order(scheme, density):
    assert order_of(scheme, density) != pytest.approx(2, abs=0.05)


def test_a_chain_that_turns_round_comes_back(density):
    assert way_back(leapfrog, density) < 1e-12


@pytest.mark.parametrize("scheme", BROKEN)
def test_a_broken_scheme_does_not_come_back(scheme, density):
    assert way_back(scheme, density) > 1e-6


def volume(scheme, density):
    """The determinant of the map's Jacobian, by central differences."""
    state = torch.cat(start(density, chains=1), 1)
    offsets = 1e-5 * torch.eye(state.shape[1])
    ends = [torch.cat(flow(scheme, density, *(state + o).chunk(2, 1), 0.1, 7), 1) for o in (offsets, -offsets)]
    return float(torch.linalg.det((ends[0] - ends[1]) / 2e-5))


def test_volume_is_preserved(density):
    assert volume(leapfrog, density) == pytest.approx(1, abs=1e-7)


def test_euler_does_not_preserve_volume(density):
    assert volume(euler, density) != pytest.approx(1, abs=1e-3)


@pytest.mark.usefixtures("double")
def test_an_oscillator_turns_as_the_scheme_of_finite_steps_does():
    # E = x^2 / 2: each step is the same matrix
    step_size, num_steps = 0.3, 11
    half = step_size**2 / 2
    step = torch.tensor([[1 - half, step_size], [-step_size * (1 - half / 2), 1 - half]])
    x, v = torch.tensor([[0.7], [-2.0]]), torch.tensor([[1.5], [0.1]])
    expected = torch.cat([x, v], 1) @ torch.linalg.matrix_power(step, num_steps).T
    found = torch.cat(leapfrog(x, v, x, lambda x: x, step_size, num_steps)[:2], 1)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.usefixtures("double")
def test_free_fall_is_exact():
    x, v, g = torch.tensor([[3.0]]), torch.tensor([[2.0]]), torch.tensor([[9.81]])
    x_end, v_end, _ = leapfrog(x, v, g, lambda x: g, 0.25, 8)  # for a time of 2
    torch.testing.assert_close(x_end, x + 2 * v - 2 * g, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(v_end, v - 2 * g, rtol=1e-14, atol=1e-14)


def test_a_step_takes_one_gradient_and_the_arguments_stay_as_they_are(density):
    positions, velocities = start(density)
    gradients = density.energy.gradient(positions)
    before = [tensor.clone() for tensor in (positions, velocities, gradients)]
    asked = []

    def gradient(positions):
        asked.append(positions)
        return density.energy.gradient(positions)

    end, _, end_gradients = leapfrog(positions, velocities, gradients, gradient, 0.1, 5)
    assert len(asked) == 5
    assert torch.equal(end_gradients, density.energy.gradient(end))
    assert all(map(torch.equal, before, (positions, velocities, gradients)))


def test_no_step_is_refused():
    x = torch.zeros(1, 1)
    with pytest.raises(ValueError, match="num_steps=0: must be at least 1"):
        leapfrog(x, x, x, lambda x: x, 0.1, 0)


@pytest.mark.usefixtures("double")
def test_trajectories_are_those_of_blackjax(by_blackjax):
    wanted = by_blackjax("trajectory")
    x, v = np.array([0.4, -1.3]), np.array([0.9, 0.2])

    from dlpipe_hmc.energies.banana import Banana

    energy = Banana(deviation=2.0, bend=0.5)
    mine = torch.from_numpy(x)[None], torch.from_numpy(v)[None]
    end, end_v, _ = leapfrog(*mine, energy.gradient(mine[0]), energy.gradient, 0.1, 15)
    np.testing.assert_allclose(end[0], wanted["position"], rtol=1e-12)
    np.testing.assert_allclose(end_v[0], wanted["momentum"], rtol=1e-12)
    assert math.isclose(float(energy(end)), -float(wanted["logdensity"]), rel_tol=1e-12)


def test_a_path_goes_where_as_many_steps_at_once_go(density):
    positions, velocities = start(density)
    gradient = density.energy.gradient
    path = leapfrog_path(positions, velocities, gradient, 0.1, 5)
    assert path.shape == (6, *positions.shape)
    for steps in range(1, 6):
        end, _ = flow(leapfrog, density, positions, velocities, 0.1, steps)
        torch.testing.assert_close(path[steps], end)
    assert torch.equal(path[0], positions)
