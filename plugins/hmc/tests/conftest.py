"""Fixtures: densities that can be drawn from without a chain, and an independent reference."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dlpipe_hmc.energies.banana import Banana
from dlpipe_hmc.energies.funnel import Funnel
from dlpipe_hmc.energies.gaussian_rbm import GaussianRBM
from dlpipe_hmc.energies.tutorial_gaussian import tutorial_gaussian


class Density(NamedTuple):
    """An energy and its exact sampler: (count, generator) to (count, dim)."""

    energy: torch.nn.Module
    draw: Callable[[int, Generator], Tensor]


def normal(energy: torch.nn.Module, count: int, generator: Generator) -> Tensor:
    factor = torch.linalg.cholesky(energy.covariance)
    return energy.mean + torch.randn(count, energy.dim, generator=generator) @ factor.T


def bent(energy: torch.nn.Module, count: int, generator: Generator) -> Tensor:
    first, second = torch.randn(2, count, generator=generator)
    first = 2.0 * first
    return torch.stack([first, second + 0.5 * (first.square() - 4.0)], 1)


def funnel(energy: torch.nn.Module, count: int, generator: Generator) -> Tensor:
    v = 3.0 * torch.randn(count, 1, generator=generator)
    return torch.cat([v, torch.exp(v / 2) * torch.randn(count, energy.dim - 1, generator=generator)], 1)


def mixture(energy: torch.nn.Module, count: int, generator: Generator) -> Tensor:
    """A state of the hidden units by its share, written out bit by bit, then the visible units."""
    states = torch.tensor([[a, b, c] for a in (0.0, 1) for b in (0.0, 1) for c in (0.0, 1)])
    shifts = states @ energy.weight.T
    shares = torch.exp(states @ energy.hidden_bias + shifts @ energy.visible_bias + shifts.square().sum(1) / 2)
    chosen = torch.multinomial(shares, count, replacement=True, generator=generator)
    return energy.visible_bias + shifts[chosen] + torch.randn(count, energy.dim, generator=generator)


@pytest.fixture(params=["gaussian", "banana", "funnel", "gaussian_rbm"])
def density(request: pytest.FixtureRequest, double: None) -> Density:
    """Each of the energies, in double precision."""
    biases = {"visible_bias": [0.5, -1.0, 0.0, 0.2], "hidden_bias": [0.3, -0.4, -1.0]}
    energy, draw = {
        "gaussian": (tutorial_gaussian(), normal),
        "banana": (Banana(deviation=2.0, bend=0.5), bent),
        "funnel": (Funnel(dim=3), funnel),
        "gaussian_rbm": (GaussianRBM(**biases), mixture),
    }[request.param]
    return Density(energy, lambda count, generator: draw(energy, count, generator))


@pytest.fixture(scope="session")
def by_blackjax(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, np.ndarray]]:
    """What the independent reference makes, by the name of a function in by_blackjax.py."""
    folder = tmp_path_factory.mktemp("blackjax")

    def run(name: str) -> dict[str, np.ndarray]:
        path = folder / f"{name}.npz"
        script = Path(__file__).with_name("by_blackjax.py")
        subprocess.run([sys.executable, str(script), name, str(path)], check=True, stderr=subprocess.DEVNULL)
        return dict(np.load(path))

    return run
