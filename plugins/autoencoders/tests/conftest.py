"""Fixtures: a cache of the tests' own, and the real MNIST."""

import os
import subprocess
import sys
from collections.abc import Callable
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


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Run ``python -m dlpipe`` with overrides; gives the run directory."""

    def call(*overrides: str) -> Path:
        command = [sys.executable, "-m", "dlpipe", f"hydra.run.dir={tmp_path}/run", *overrides]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return tmp_path / "run"

    return call
