"""What only some systems have stands in one file, and its absence costs a run nothing else."""

import ast
import errno
import getpass
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlpipe import DataError, operating_system
from dlpipe.data import CacheEntry, RemoteFile, cache_directory, cached, files, find_or_download, search_folders

ROOT = Path(__file__).parents[1]
FILE = ROOT / "dlpipe" / "operating_system.py"
OTHERS = [
    path
    for path in [*(ROOT / "dlpipe").rglob("*.py"), *(ROOT / "plugins").rglob("dlpipe_*/**/*.py")]
    if path != FILE and "tests" not in path.parts
]
ONLY_SOME_HAVE = {
    *("ctypes", "fcntl", "grp", "pty", "pwd", "resource", "termios", "getpass", "platformdirs"),  # modules
    *("sched_getaffinity", "sched_setaffinity", "fork", "forkpty", "link", "symlink", "fsync", "fdatasync", "umask"),
    *("chown", "getuid", "geteuid", "getpgid", "killpg", "mkfifo", "setsid", "statvfs", "prctl", "expanduser", "home"),
    *("alarm", "setitimer", "SIGALRM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "pthread_sigmask"),
}
# a plugin may import the core's public names only
ALLOWED = {"plugins/music/dlpipe_music/midi_folder.py": {"expanduser"}}
WITHOUT = """
import errno, os, signal, stat, sys

for module in ("fcntl", "grp", "pwd", "resource"):
    sys.modules[module] = None
import pytorch_lightning.trainer.connectors.signal_connector as connector
connector._IS_WINDOWS = True  # elsewhere Lightning itself requires SIGUSR1 and SIGKILL
connector._SignalConnector._get_current_signal_handlers = staticmethod(dict)
for name in ("sched_getaffinity", "fork", "forkpty", "link", "symlink", "killpg", "setsid", "sysconf", "statvfs"):
    delattr(os, name)
for name in ("alarm", "setitimer", "SIGALRM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
fsync = os.fsync

def fsync_of_files(descriptor):
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "Invalid argument")
    fsync(descriptor)

def refuse(*arguments, **options):
    raise PermissionError(errno.EPERM, "Operation not permitted")

os.fsync, os.chmod = fsync_of_files, refuse
from dlpipe.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def names_used(source):
    """Attributes, imported names and modules of a file's text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "").partition(".")[0], *(alias.name for alias in node.names))


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_only_some_systems_have_is_used_in_one_file(path):
    used = set(names_used(path.read_text(encoding="utf-8"))) & ONLY_SOME_HAVE
    assert used <= ALLOWED.get(path.relative_to(ROOT).as_posix(), set())


def test_that_file_is_found_to_use_it():
    assert {"sched_getaffinity", "prctl", "link", "fsync", "alarm"} <= set(names_used(FILE.read_text()))
    assert len(OTHERS) > 100


def dlpipe(folder, *words, script="from dlpipe.cli.main import main\nsys.exit(main(sys.argv[1:]))", **variables):
    """One command line in another process; a variable that is None is not set."""
    environment = {name: value for name, value in (os.environ | variables).items() if value is not None}
    command = [sys.executable, "-c", f"import sys\n{script}", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


def test_a_run_needs_nothing_that_only_some_systems_have(tmp_path):
    done = dlpipe(tmp_path, "model=logreg", "recipe.max_epochs=1", "hydra.run.dir=run", script=WITHOUT)
    assert done.returncode == 0, done.stderr.decode()
    assert b"run cannot be locked (the system has no file locks): make sure that no other process" in done.stdout
    assert {"checkpoints", "summary.json", "weights.safetensors"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert dlpipe(tmp_path, "check", "model=logreg", "trainer.devices=2", script=WITHOUT).returncode == 0


@pytest.fixture
def nobody(monkeypatch):
    """A user unknown to the system, without HOME, as in a container that runs as any number."""
    monkeypatch.setitem(sys.modules, "pwd", None)
    for name in ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "LNAME", "USERNAME", files.DATA_VARIABLE):
        monkeypatch.setenv(name, "")  # for its restoration
        monkeypatch.delenv(name)


def test_an_unknown_user_has_a_cache_that_nothing_can_be_written_to(nobody):
    calls = []
    path = cache_directory("tunes") / "file.npz"
    for _ in range(2):
        cached(path, lambda: calls.append(1) or CacheEntry({"x": np.zeros(1)}, {}))
    assert len(calls) == 2
    assert getpass.getuser() == "unknown"


def test_an_unknown_user_is_told_where_to_put_data(nobody):
    tunes = RemoteFile("tunes", "0", ("https://example.org/tunes",))
    for offline in (True, False):
        with pytest.raises(DataError, match=r"HOME or XDG_CACHE_HOME must be set\. .* set DLPIPE_DATA to the folder"):
            find_or_download(tunes, "music", None, offline)


@pytest.mark.parametrize("path", ["~/tunes", "~nobody-of-this-name/tunes"])
def test_a_home_directory_that_is_unknown_leaves_a_path_as_it_is(nobody, path):
    assert operating_system.expand_user(path) == Path(path)
    assert search_folders("music", path) == [Path(path)]


def test_a_known_user_keeps_home_and_name(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("LOGNAME", "ann")
    operating_system.identify_user()
    assert (os.environ["HOME"], getpass.getuser()) == ("/home/ann", "ann")


def test_an_unknown_user_runs_what_needs_no_cache(tmp_path):
    script = "sys.modules['pwd'] = None\nfrom dlpipe.cli import main\nsys.exit(main(sys.argv[1:]))"
    variables = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "LNAME", "USERNAME"))
    for words in (["list"], ["model=logreg", "recipe.max_epochs=1", "hydra.run.dir=run"], ["predict", "run"]):
        done = dlpipe(tmp_path, *words, script=script, **variables)
        assert done.returncode == 0, done.stderr.decode()
    assert not list(tmp_path.glob("*~*"))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES])
def test_a_folder_that_cannot_be_flushed_is_no_error(tmp_path, monkeypatch, number):
    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    operating_system.sync_path(tmp_path)


def test_a_file_that_cannot_reach_the_disk_is_an_error(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(OSError, match="Input/output error"):
            operating_system.sync_path(path)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK])
def test_a_refused_hard_link_is_no_error_but_an_existing_file_is(tmp_path, monkeypatch, number):
    (tmp_path / "a").touch()
    assert operating_system.hard_link(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileExistsError):
        operating_system.hard_link(tmp_path / "a", tmp_path / "b")

    def link(path, other):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    assert not operating_system.hard_link(tmp_path / "a", tmp_path / "c")
    monkeypatch.delattr(os, "link")
    assert not operating_system.hard_link(tmp_path / "a", tmp_path / "c")
