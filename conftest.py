"""Fixtures of all tests: a cache of their own, the command line in this process or in a forked one, the real data."""

import contextlib
import functools
import inspect
import json
import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from dlpipe.cli.console import LOG, ConsoleHandler
from dlpipe.cli.main import main
from dlpipe.plugins import registry

# pytest-xdist has a process for each core: threads of torch and of OpenMP would compete with those of the others
os.environ.setdefault("OMP_NUM_THREADS", "1")
# tests compare numbers of a CPU; CUDA_VISIBLE_DEVICES=0 lets those of a GPU see the first one
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# where the tests are a shell's background job they would ignore the Ctrl-C that they send
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
def dlpipe_process() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a process of one command line, with the arguments of `Popen`; see `tests/fork_server.py`.

    Not for a test of the start itself, nor of what a process reads as it starts: variables of Python, OpenMP and the
    locale, a terminal.
    """
    if sys.platform != "linux":
        yield lambda words, **options: subprocess.Popen([sys.executable, "-m", "dlpipe", *words], **options)
        return
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, str(Path(__file__).parent / "tests" / "fork_server.py"), str(its.fileno())]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)  # Python's streams ask once whether they seek
    with ours, subprocess.Popen(command, pass_fds=[its.fileno()], **pipes):
        its.close()
        yield functools.partial(_Forked, ours)
        ours.close()


@pytest.fixture(scope="session")
def run_dlpipe(dlpipe_process: Callable[..., subprocess.Popen]) -> Callable[..., subprocess.CompletedProcess]:
    """Run one command line in a process to its end, with the arguments of `subprocess.run`."""

    def run(words: list[str], capture_output: bool = False, timeout: float = 300, check: bool = False, **options):
        if capture_output:
            options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with dlpipe_process(words, **options) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        if check:
            done.check_returncode()
        return done

    return run


class _Forked(subprocess.Popen):
    """A process that the server has forked; its parent is a process of the server, which tells how it ended."""

    OPTIONS = frozenset(("cwd", "env", "stdin", "stdout", "stderr", "text", "start_new_session"))

    def __init__(self, server: socket.socket, words: list[str], **options: Any) -> None:
        assert options.keys() <= self.OPTIONS, options
        self.server = server
        super().__init__(words, **options)

    def _execute_child(self, *arguments: Any) -> None:
        given = inspect.signature(super()._execute_child).bind(*arguments).arguments
        ends = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self.report, its = os.pipe()
        message = {
            "words": [os.fspath(word) for word in given["args"]],
            "folder": os.fspath(given["cwd"] or os.getcwd()),
            "environment": dict(os.environ if given["env"] is None else given["env"]),
            "new_session": given["start_new_session"],
        }
        streams = [number if end == -1 else end for number, end in enumerate(ends)]
        socket.send_fds(self.server, [json.dumps(message).encode()], [*streams, its])
        os.close(its)
        answer = os.read(self.report, 4)
        assert answer, "the server has ended: its imports are those of tests/fork_server.py"
        self.pid = int.from_bytes(answer, "little")
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[name] for name in pipes))

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            if not select.select([self.report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            status = os.read(self.report, 4)
            assert len(status) == 4, "the process that waits for the child has ended"
            self.returncode = os.waitstatus_to_exitcode(int.from_bytes(status, "little"))
            os.close(self.report)
        return self.returncode


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
