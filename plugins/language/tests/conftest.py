"""Fixtures: a cache of the tests' own, one thread, the command line, and the real data."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from dlpipe.cli import main


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
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Iterator[Callable[..., Said]]:
    """A function that runs one command line in this process, in an empty folder."""
    handlers = logging.root.handlers[:]

    def run(*words: str) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["dlpipe"])
        capsys.readouterr()
        code = main(list(words))
        return Said(code, *capsys.readouterr(), tmp_path)

    yield run
    for handler in [handler for handler in logging.root.handlers if handler not in handlers]:
        handler.close()
    logging.root.handlers[:] = handlers
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


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
