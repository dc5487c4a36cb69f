"""Fixtures: plugins made for one test."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from dlpipe.plugins import class_source, registry

# a project of its own, whose tests test_tutorial.py runs with the plugin installed
collect_ignore = ["acme_plugin"]


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory, run_dlpipe: Callable) -> Callable[..., Path]:
    """Run one command line in a process and return its run directory; a test that changes it works on a copy."""

    def run(*words: str) -> Path:
        folder = tmp_path_factory.mktemp("run")
        run_dlpipe([*words, "hydra.run.dir=run"], cwd=folder, check=True, capture_output=True)
        return folder / "run"

    return run


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_plugins: Callable) -> Iterator[Callable]:
    """Install a plugin for one test: its metadata and its files, on sys.path and in PYTHONPATH.

    ``install("dlpipe-acme", {"softmax": "acme:Softmax"}, {"acme/__init__.py": "..."}, kind="models")``
    """
    site = tmp_path / "site-packages"
    site.mkdir()
    before = set(sys.modules)

    def add(distribution: str, entry_points: dict[str, str], files: dict[str, str], kind: str = "models") -> Path:
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[dlpipe.{kind}]\n{lines}")
        for name, text in files.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget_plugins()
        return site

    monkeypatch.syspath_prepend(str(site))
    old = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", str(site) + (os.pathsep + old if old else ""))
    yield add
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(site)):
            del sys.modules[name]
    forget_plugins()


@pytest.fixture
def plain_model(install: Callable) -> str:
    """The name of an installed model that has a training_step and nothing else."""
    code = """
import pytorch_lightning as pl, torch
class Plain(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])
"""
    install("dlpipe-plain", {"plain": "plain:Plain"}, {"plain/__init__.py": code})
    return "plain"


@pytest.fixture(scope="session")
def forget_plugins() -> Callable[[], None]:
    """Forget which plugins are installed, so that the next command looks again."""

    def forget() -> None:
        registry.all_entries.cache_clear()
        registry.package_folders.cache_clear()
        class_source.read_class.cache_clear()
        class_source._parse.cache_clear()
        for group in ("model", "dataset", "recipe", "recipe_for"):  # what dlpipe.config.compose stores there
            ConfigStore.instance().repo.pop(group, None)

    return forget
