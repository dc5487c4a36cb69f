"""Fixtures of all tests: a cache of their own, the command line in this process, and the real data."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from dlpipe.cli.console import LOG, ConsoleHandler
from dlpipe.cli.main import main
from dlpipe.plugins import registry

# pytest-xdist has a process for each core: threads of torch and of OpenMP would compete with those of the others
os.environ.setdefault("OMP_NUM_THREADS", "1")

# the same examples everywhere, and no clock: the machine may be busy; --hypothesis-profile=long takes others, and more
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=25)
hypothesis.settings.register_profile("long", derandomize=False, deadline=None, max_examples=4000)
hypothesis.settings.load_profile("fixed")


# the reasons for which a test may skip: what this machine lacks, never a package that requirements.txt installs; and
# what the plugin contract does not ask of a model
SKIPS = re.compile(r"does not apply|GPU|DLPIPE_DATA|browser|Ray|root|mounted|/proc|Linux|glibc|other systems")


# checks of the plugin contract that take long: they start two processes, or decode all of IMDB's reviews
SLOW_CHECKS = re.compile(r"two_processes_same_numbers|\bimdb(_pickles)?/(splits_are_as_stated|same_seed_same_order)")


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these checks."""
    for item in items:
        if SLOW_CHECKS.search(item.name):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Fail a test that skips for any other reason."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and not SKIPS.search(report.longrepr[-1]):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not skip: {report.longrepr[-1]}; pip install -r requirements.txt"
    return report


@dataclass(frozen=True)
class Result:
    """What one command line did."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def run_dirs(self) -> list[Path]:
        """Directories of runs that the command left under its working folder."""
        return sorted(path.parent for path in self.folder.rglob("config.yaml") if path.parent.name != ".hydra")

    @property
    def run_dir(self) -> Path:
        """The only one."""
        (path,) = self.run_dirs
        return path

    @property
    def written(self) -> list[str]:
        """Every file and folder that the command left in its working folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache that is empty, so that no test sees or changes the real one."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv(registry.ALLOW_VARIABLE, raising=False)
    monkeypatch.delenv(registry.CONF_VARIABLE, raising=False)
    return folder


@pytest.fixture
def cli(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys) -> Iterator[Callable]:
    """Run one command line in this process, in an empty working folder."""
    folder = tmp_path_factory.mktemp("work")
    for handler in [handler for handler in logging.root.handlers if _is_a_runs(handler)]:
        logging.root.removeHandler(handler)
        handler.close()
    handlers = list(logging.root.handlers)

    def run(*arguments: str) -> Result:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["dlpipe"])
        capsys.readouterr()
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return Result(code, out, err, folder)

    yield run
    for handler in [handler for handler in logging.root.handlers if handler not in handlers]:
        handler.close()
    logging.root.handlers[:] = handlers
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


def _is_a_runs(handler: logging.Handler) -> bool:
    """Whether a run of a fixture of another module has left it."""
    return isinstance(handler, ConsoleHandler) or Path(getattr(handler, "baseFilename", "")).name == LOG


@pytest.fixture(scope="session")
def real_mnist() -> Path:
    """The folder of the real MNIST files."""
    return _real("mnist", "train-images-idx3-ubyte.gz")


@pytest.fixture(scope="session")
def real_music() -> Path:
    """The folder of the real archives of music."""
    return _real("music", "Nottingham.zip")


@pytest.fixture(scope="session")
def real_atis() -> Path:
    """The folder of ATIS' folds."""
    return _real("atis", "atis.fold3.pkl.gz")


@pytest.fixture(scope="session")
def real_imdb() -> Path:
    """The folder of IMDB's reviews and pickles."""
    return _real("imdb", "imdb.pkl.gz")


# read before a test may change or remove it, or go to another folder
_DATA = os.environ.get("DLPIPE_DATA") and Path(os.environ["DLPIPE_DATA"]).absolute()


def _real(name: str, file: str) -> Path:
    if not _DATA or not (_DATA / name / file).is_file():
        pytest.skip(f"needs the real data: set DLPIPE_DATA to the folder that has {name}/")
    return _DATA / name
