"""What only some systems have stands in one file, and its absence costs a run nothing else."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def dlpipe(
    folder, *words, script="from dlpipe.cli.main import main\nsys.exit(main(sys.argv[1:]))", before=(), **variables
):
    """One command line in another process; a variable that is None is not set."""
    environment = {name: value for name, value in (os.environ | variables).items() if value is not None}
    command = [*before, sys.executable, "-c", f"import sys\n{script}", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


def test_a_run_needs_nothing_that_only_some_systems_have(tmp_path):
    done = dlpipe(tmp_path, "model=logreg", "recipe.max_epochs=1", "hydra.run.dir=run", script=WITHOUT)
    assert done.returncode == 0, done.stderr.decode()
    assert b"run cannot be locked (the system has no file locks): make sure that no other process" in done.stdout
    assert {"checkpoints", "summary.json", "weights.safetensors"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert dlpipe(tmp_path, "check", "model=logreg", "trainer.devices=2", script=WITHOUT).returncode == 0
