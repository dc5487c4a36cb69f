"""What a run prints costs it nothing where nobody reads."""

import io
import logging
import os
import subprocess
import sys

import pytest

from dlpipe.cli.console import ConsoleHandler


def test_a_reader_that_has_gone_does_not_end_a_run(monkeypatch):
    def gone(*arguments, **options):
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    ConsoleHandler().emit(logging.makeLogRecord({"msg": "epoch 1"}))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("name", ["läufe", "走", "not-utf-8-\udcff"])
def test_what_the_terminal_lacks_is_printed_as_an_escape(monkeypatch, encoding, name):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    ConsoleHandler().emit(logging.makeLogRecord({"msg": name}))
    assert terminal.buffer.getvalue() == name.encode(encoding, "backslashreplace") + b"\n"


TERMINALS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


# several command lines in one process, which imports PyTorch once
IN_TURN = """
import sys
from dlpipe.cli.main import main
words, sys.argv[1:] = sys.argv[1:], []
while words:
    end = words.index("then")
    print([main(words[:end])], file=sys.stderr)
    del words[: end + 1]
"""


@pytest.mark.parametrize("terminal", TERMINALS)
def test_every_command_ends_well_on_a_terminal_that_is_not_utf8(tmp_path, terminal):
    path = os.fsencode("läufe")
    commands = [
        [b"model=logreg", b"recipe.max_epochs=1", b"hydra.run.dir='" + path + b"'"],
        [b"test", path],
        [b"figures", path],
        [b"inspect", path + b"/checkpoints/best.ckpt"],
    ]
    words = [word for command in commands for word in (*command, b"then")]
    environment = os.environ | TERMINALS[terminal]
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, *words], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == b"[0]\n" * len(commands)
    assert done.stdout.isascii()
    assert "run directory: " in (tmp_path / "läufe" / "dlpipe.log").read_text(encoding="utf-8")


def test_an_error_on_a_terminal_that_is_not_utf8_keeps_its_exit_code(tmp_path):
    command = [sys.executable, "-m", "dlpipe", "test", "läufe"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr
        == rb"dlpipe: l\xe4ufe is not a run's directory: it does not exist. There are no runs below outputs/" + b"\n"
    )


def test_a_repository_whose_path_the_locale_lacks_is_recorded(tmp_path):
    repository = tmp_path / "läufe"
    subprocess.run(["git", "init", "-q", repository], check=True)
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a"]
    subprocess.run(commit, cwd=repository, check=True)
    code = "from pathlib import Path; from dlpipe.runs.provenance import _git_state; print(_git_state(Path('run')))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=repository, env=os.environ | TERMINALS["C"], capture_output=True, check=False)
    assert b"'modified': False" in done.stdout, done.stderr
