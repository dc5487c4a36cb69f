"""What follows from the energy in closed form, against sums over all states and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.neural_network import BernoulliRBM

from dlpipe_boltzmann.energy import (
    Parameters,
    energy,
    free_energy,
    hidden_mean,
    hidden_preactivation,
    mean_free_energy,
    visible_mean,
    visible_preactivation,
)


@pytest.fixture
def states(joint):
    """v (32, 3), h (32, 2) and exp(-E) (32,) of every state of the tiny machine."""
    v, h = (torch.tensor([state[k] for state in joint], dtype=torch.float64) for k in (0, 1))
    return v, h, torch.tensor(list(joint.values()), dtype=torch.float64)


@pytest.fixture
def large():
    """30 x 20, with the parameters and an example each of scikit-learn's machine."""
    rng = np.random.default_rng(0)
    reference = BernoulliRBM(20)
    reference.components_ = rng.normal(size=(20, 30))
    reference.intercept_visible_ = rng.normal(size=30)
    reference.intercept_hidden_ = rng.normal(size=20)
    values = reference.components_.T.copy(), reference.intercept_visible_, reference.intercept_hidden_
    return Parameters(*map(torch.from_numpy, values)), reference, rng.random((7, 30))


def test_energy_is_minus_the_biases_and_the_pairs_that_are_on(tiny, states):
    v, h, weights = states
    torch.testing.assert_close(energy(tiny, v, h), -weights.log(), rtol=1e-13, atol=1e-13)


def test_free_energy_is_minus_log_of_the_sum_over_hidden_states(tiny, joint):
    for v in {v for v, _ in joint}:
        total = sum(weight for (visible, _), weight in joint.items() if visible == v)
        found = free_energy(tiny, torch.tensor([v], dtype=torch.float64))
        assert found.tolist() == pytest.approx([-math.log(total)], rel=1e-13)


def test_hidden_means_are_conditional_probabilities(tiny, joint):
    for v in {v for v, _ in joint}:
        given = {h: weight for (visible, h), weight in joint.items() if visible == v}
        wanted = [sum(w for h, w in given.items() if h[j]) / sum(given.values()) for j in range(2)]
        found = hidden_mean(tiny, torch.tensor([v], dtype=torch.float64))
        assert found.tolist()[0] == pytest.approx(wanted, rel=1e-13)


def test_visible_means_are_conditional_probabilities(tiny, joint):
    for h in {h for _, h in joint}:
        given = {v: weight for (v, hidden), weight in joint.items() if hidden == h}
        wanted = [sum(w for v, w in given.items() if v[i]) / sum(given.values()) for i in range(3)]
        found = visible_mean(tiny, torch.tensor([h], dtype=torch.float64))
        assert found.tolist()[0] == pytest.approx(wanted, rel=1e-13)


def test_free_energy_is_that_of_scikit_learn(large):
    machine, reference, v = large
    found = free_energy(machine, torch.from_numpy(v))
    assert found.numpy() == pytest.approx(reference._free_energy(v), rel=1e-12)


def test_means_are_those_of_scikit_learn(large):
    machine, reference, v = large
    assert hidden_mean(machine, torch.from_numpy(v)).numpy() == pytest.approx(reference.transform(v), rel=1e-12)
    h = np.random.default_rng(1).random((7, 20))
    wanted = 1 / (1 + np.exp(-(h @ reference.components_ + reference.intercept_visible_)))
    assert visible_mean(machine, torch.from_numpy(h)).numpy() == pytest.approx(wanted, rel=1e-12)


def test_a_bias_of_each_example_is_a_machine_of_each_example(large, generator):
    (W, _, _), _, v = large
    v = torch.from_numpy(v)
    b, c = (torch.randn(7, n, generator=generator, dtype=torch.float64) for n in (30, 20))
    h = torch.rand(7, 20, generator=generator, dtype=torch.float64)
    several, rows = Parameters(W, b, c), range(7)
    for function, given in [
        (free_energy, [v]),
        (hidden_preactivation, [v]),
        (visible_preactivation, [h]),
        (energy, [v, h]),
    ]:
        one_by_one = [function(Parameters(W, b[n], c[n]), *(x[n : n + 1] for x in given)) for n in rows]
        torch.testing.assert_close(function(several, *given), torch.cat(one_by_one), rtol=1e-12, atol=1e-12)


def test_mean_free_energy_is_the_mean_of_free_energies(large, generator):
    (W, b, c), _, v = large
    v, own = torch.from_numpy(v), torch.randn(7, 30, generator=generator, dtype=torch.float64)
    for machine in (Parameters(W, b, c), Parameters(W, own, c)):
        found = mean_free_energy(machine, v, hidden_preactivation(machine, v))
        torch.testing.assert_close(found, free_energy(machine, v).mean(), rtol=1e-12, atol=1e-12)


def test_free_energy_of_large_preactivations_is_finite():
    machine = Parameters(torch.tensor([[500.0, -500.0]]), torch.zeros(1), torch.zeros(2))
    assert free_energy(machine, torch.ones(1, 1)).tolist() == [-500]


def test_detached_parameters_are_the_same_without_gradients(tiny):
    machine = Parameters(*(value.requires_grad_() for value in tiny))
    assert not any(value.requires_grad for value in machine.detach())
    assert all(torch.equal(*pair) for pair in zip(machine, machine.detach(), strict=True))
