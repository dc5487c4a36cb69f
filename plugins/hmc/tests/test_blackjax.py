"""Moments of a density of which none is known, beside those that blackjax finds."""

import numpy as np
import pytest
import torch

from dlpipe_hmc import move
from dlpipe_hmc.energy import autograd_gradient
from dlpipe_hmc.move import begin, hmc_move

CHAINS, MOVES, STEP_SIZE, LEAPFROG_STEPS = 10_000, 50, 0.7, 3  # as in by_blackjax.py


def energy(positions):
    """A skewed and bent density; of positions (..., 2)."""
    first, second = positions[..., 0], positions[..., 1]
    return first**4 / 4 - first / 2 + (second - first**2) ** 2 / 2


def by_us():
    """The same."""
    generator = torch.Generator().manual_seed(0)

    def gradient(positions):
        return autograd_gradient(energy, positions)

    chains = begin(torch.randn(CHAINS, 2, generator=generator), energy, gradient)
    for _ in range(MOVES):
        chains, _ = hmc_move(chains, energy, gradient, STEP_SIZE, LEAPFROG_STEPS, generator)
    return chains.positions.numpy()


@pytest.fixture(scope="module")
def reference(by_blackjax):
    """The ends of independent chains."""
    return by_blackjax("moves")["positions"]


def standard_errors(one, other):
    """How far the means and the covariances of independent draws are from each other, the worst of any entry."""
    centre = (one.mean(0) + other.mean(0)) / 2
    terms = []
    for draws in (one, other):
        away = draws - centre
        terms.append(np.concatenate([away, away[:, :1] * away, away[:, 1:] ** 2], 1))
    apart = np.abs(terms[0].mean(0) - terms[1].mean(0))
    return float((apart / np.sqrt(sum(t.var(0) / len(t) for t in terms))).max())


def test_mean_and_covariance_are_those_of_blackjax(reference):
    assert standard_errors(reference, by_us()) < 5


def test_moves_that_are_all_accepted_have_others(reference, monkeypatch):
    monkeypatch.setattr(move, "metropolis_accept", lambda before, after, uniform: after.isfinite())
    assert standard_errors(reference, by_us()) > 5
