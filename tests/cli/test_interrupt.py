"""A signal ends a run in seconds, with a checkpoint, and the run says how to go on."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from dlpipe.training.callbacks.graceful_stop import GracefulStop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_a_checkpoint_and_says_how_to_go_on(number, tmp_path):
    command = [sys.executable, "-m", "dlpipe", "model=logreg", "recipe.max_epochs=100000", "recipe.patience=null"]
    with subprocess.Popen(
        [*command, "hydra.run.dir=run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a background job of a shell, as CI may be, has its children ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        last = tmp_path / "run" / "checkpoints" / "last.ckpt"
        deadline = time.monotonic() + 120
        while not last.exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        pressed = time.monotonic()
        os.killpg(process.pid, number)
        said = process.communicate(timeout=60)[0]
    assert time.monotonic() - pressed < 20
    assert process.returncode == 128 + number
    assert f"{number.name}: saving a checkpoint after this step, then ending" in said
    assert f"to resume from the last checkpoint: python -m dlpipe resume {tmp_path / 'run'}" in said
    assert "Traceback" not in said
    saved = torch.load(last, weights_only=True)["global_step"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == summary["stopped_by"] == "interrupted"
    assert summary["seconds"] > 0.005  # an epoch at least
    assert saved == summary["updates"]


def test_ctrl_c_during_the_test_leaves_a_run_that_is_resumed(cli, monkeypatch):
    from dlpipe_supervised.logistic_regression import LogisticRegression

    def interrupted(*arguments):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)  # Lightning has it ignored from then on
    with monkeypatch.context() as during:
        during.setattr(LogisticRegression, "test_step", interrupted)
        result = cli("model=logreg", "recipe.max_epochs=2")
    signal.signal(signal.SIGINT, before)
    assert result.code == 128 + signal.SIGINT
    assert result.err == "dlpipe: interrupted\n"
    assert f"to resume from the last checkpoint: python -m dlpipe resume {result.run_dir}" in result.out
    assert json.loads((result.run_dir / "summary.json").read_text())["status"] == "interrupted"
    again = cli("resume", str(result.run_dir))
    assert again.code == 0
    assert json.loads((result.run_dir / "summary.json").read_text())["status"] == "finished"


def test_ctrl_c_before_the_run_writes_nothing_and_shows_no_traceback(tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    main = importlib.import_module("dlpipe.cli.main")  # the package exports the function of that name
    monkeypatch.setattr(main, "_run", interrupted)
    monkeypatch.chdir(tmp_path)
    assert main.main(["model=mlp"]) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "dlpipe: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_two_ctrl_c_end_a_run_that_another_signal_has_told_to_leave():
    callback = GracefulStop()
    callback._receive(signal.SIGTERM, None)
    callback._receive(signal.SIGINT, None)
    assert callback.received == signal.SIGTERM
    with pytest.raises(KeyboardInterrupt):
        callback._receive(signal.SIGINT, None)
