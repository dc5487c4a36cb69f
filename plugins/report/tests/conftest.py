"""Runs that reports are made of, each trained once for all tests of a file, and a browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...browser import CHROMEDRIVER, CHROMIUM, Browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def trained(folder: Path, cli: Callable) -> Path:
    """A finished run of logreg, which tests may not change."""
    directory = folder / "trained"
    if not directory.exists():
        result = cli("model=logreg", "recipe.max_epochs=3", "optimizer.lr=0.2", f"hydra.run.dir={directory}")
        assert result.code == 0, result.err
    return directory


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, which a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture
def swept(folder: Path, cli: Callable) -> Path:
    """A sweep of four jobs, of which two settings have two seeds each."""
    directory = folder / "swept"
    if not directory.exists():
        words = ("model=logreg", "recipe.max_epochs=2", "optimizer.lr=0.1,0.3", "seed=1,2")
        result = cli("-m", *words, f"hydra.sweep.dir={directory}")
        assert result.code == 0, result.err
    return directory


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("no browser: install chromium and chromedriver (Debian: chromium-driver)")
    with Browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[[Path], Browser]]:
    """A function that opens a report; afterwards, no error may be on the console."""

    def open_report(path: Path, width: int = 1280) -> Browser:
        browser.resize(width, 900)
        browser.open(path.as_uri())
        return browser

    yield open_report
    assert browser.console() == []
