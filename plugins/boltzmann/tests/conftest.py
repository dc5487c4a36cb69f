"""Fixtures: a machine that is small enough to enumerate, a cache of the tests' own, and the real MNIST."""

import itertools
import math
import os
from pathlib import Path

import pytest
import torch

from dlpipe_boltzmann.energy import Parameters


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's cache that is empty, so that no test sees or changes the real one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def real_mnist() -> Path:
    """The folder of the real MNIST files."""
    data = os.environ.get("DLPIPE_DATA")
    if not data or not (Path(data) / "mnist" / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("needs the real MNIST: set DLPIPE_DATA to the folder that has mnist/")
    return Path(data).absolute() / "mnist"


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


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, of the test's own."""
    return torch.Generator().manual_seed(1234)
