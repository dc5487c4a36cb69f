"""Fixtures of all plugins' tests: one thread, double precision, and the real data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a run: several that wait for a busy core take a hundred times as long."""
    torch.set_num_threads(1)


@pytest.fixture
def double() -> Iterator[None]:
    """Tensors are of double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, of the test's own."""
    return torch.Generator().manual_seed(1234)


@pytest.fixture
def real_mnist() -> Path:
    """The folder of the real MNIST files."""
    return _real("mnist", "train-images-idx3-ubyte.gz")


@pytest.fixture
def real_music() -> Path:
    """The folder of the real archives of music."""
    return _real("music", "Nottingham.zip")


@pytest.fixture
def real_atis() -> Path:
    """The folder of ATIS' folds."""
    return _real("atis", "atis.fold3.pkl.gz")


@pytest.fixture
def real_imdb() -> Path:
    """The folder of IMDB's reviews and pickles."""
    return _real("imdb", "imdb.pkl.gz")


# read before a test may change or remove it, or go to another folder
_DATA = os.environ.get("DLPIPE_DATA") and Path(os.environ["DLPIPE_DATA"]).absolute()


def _real(name: str, file: str) -> Path:
    if not _DATA or not (_DATA / name / file).is_file():
        pytest.skip(f"needs the real data: set DLPIPE_DATA to the folder that has {name}/")
    return _DATA / name
