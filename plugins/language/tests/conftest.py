"""Fixtures: a cache of the tests' own, one thread, and the command line in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch


class Said(NamedTuple):
    """What a command did: its exit code, what it printed, and the folder that it ran in."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def run_dir(self) -> Path:
        """The directory of the only run there."""
        (config,) = (path for path in self.folder.rglob("config.yaml") if path.parent.name != ".hydra")
        return config.parent


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache that is empty, so that no test sees or changes the real one."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a run: several that wait for a busy core take a hundred times as long."""
    torch.set_num_threads(1)


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Said]:
    """A function that runs one command line."""

    def run(*words: str) -> Said:
        command = [sys.executable, "-m", "dlpipe", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return Said(done.returncode, done.stdout, done.stderr, tmp_path)

    return run


# read before a test may take it away
_DATA = os.environ.get("DLPIPE_DATA")


@pytest.fixture(scope="session")
def real_atis() -> Path:
    """The folder of ATIS' files."""
    return _real("atis", "atis.fold3.pkl.gz")


@pytest.fixture(scope="session")
def real_imdb() -> Path:
    """The folder of IMDB's files."""
    return _real("imdb", "imdb.pkl.gz")


def _real(name: str, file: str) -> Path:
    folder = Path(_DATA or "") / name
    if not _DATA or not (folder / file).is_file():
        pytest.skip(f"needs the real data: set DLPIPE_DATA to the folder that has {name}/")
    return folder
