"""Fixtures: a machine that is small enough to enumerate."""

import itertools
import math

import pytest
import torch

from dlpipe_boltzmann.energy import Parameters


@pytest.fixture
def tiny() -> Parameters:
    """Three visible and two hidden units, far from independent and from symmetric."""
    W = torch.tensor([[1.2, -0.7], [-1.5, 0.4], [0.3, 2.0]], dtype=torch.float64)
    b = torch.tensor([0.5, -0.3, -0.8], dtype=torch.float64)
    c = torch.tensor([-0.4, 0.6], dtype=torch.float64)
    return Parameters(W, b, c)


@pytest.fixture
def joint(tiny):
    """exp(-E(v, h)) of every (v, h) of the tiny machine, written out with numbers alone."""
    W, b, c = (value.tolist() for value in tiny)

    def weight(v, h):
        pairs = sum(v[i] * W[i][j] * h[j] for i in range(3) for j in range(2))
        return math.exp(pairs + sum(b[i] * v[i] for i in range(3)) + sum(c[j] * h[j] for j in range(2)))

    states = [tuple(map(float, state)) for state in itertools.product((0, 1), repeat=5)]
    return {(state[:3], state[3:]): weight(state[:3], state[3:]) for state in states}


@pytest.fixture
def draw_joint(joint):
    """A function that draws pairs (v, h) from the exact distribution of the tiny machine."""

    def draw(count, generator):
        weights = torch.tensor(list(joint.values()), dtype=torch.float64)
        rows = torch.multinomial(weights, count, replacement=True, generator=generator)
        v, h = (torch.tensor([state[k] for state in joint], dtype=torch.float64) for k in (0, 1))
        return v[rows], h[rows]

    return draw
