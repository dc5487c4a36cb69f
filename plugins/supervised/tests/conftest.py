"""Fixtures: a cache of the tests' own, and the real MNIST."""

import os
from pathlib import Path

import pytest


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
