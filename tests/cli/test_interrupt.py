"""A signal ends a run in seconds, with a checkpoint, and the run says how to go on."""

import contextlib
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
def test_a_signal_saves_a_checkpoint_and_says_how_to_go_on(number, tmp_path, dlpipe_process):
    with dlpipe_process(
        ["model=logreg", "recipe.max_epochs=100000", "recipe.patience=null", "hydra.run.dir=run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
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


def test_a_run_that_fails_after_a_signal_is_interrupted(cli, monkeypatch):
    """As a rank fails whose partner stopped first."""
    from dlpipe_supervised.logistic_regression import LogisticRegression

    def signalled_and_failing(*arguments):
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(LogisticRegression, "on_train_batch_start", signalled_and_failing)
    result = cli("model=logreg", "try_one_batch=false")
    assert result.code != 0
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert summary["status"] == summary["stopped_by"] == "interrupted"


@pytest.mark.parametrize("module", ["typing", "dlpipe.cli.main", "dlpipe.config.checks", "torch"])
def test_ctrl_c_while_a_sweep_starts_is_one_line(module, tmp_path):
    """At the import of each module, which is a moment of every start."""
    code = f"""
import sys
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            import os
            os.kill(os.getpid(), {signal.SIGINT:d})
for name in ("typing", "signal"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Press())
sys.argv = ["dlpipe", "-m", "seed=1,2"]
from dlpipe.__main__ import console
console()
"""
    command = [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler){code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    first_line = "sweep: importing PyTorch and checking the request\n" if module == "torch" else ""
    assert (done.returncode, done.stdout, done.stderr) == (130, first_line, "dlpipe: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_at_the_start_of_joblibs_workers_is_one_line(tmp_path):
    two_workers = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]  # on one core, too
    command = [sys.executable, "-m", "dlpipe", "-m", *two_workers, "seed=1,2", "hydra.sweep.dir=sweep"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 120
        while b"joblib" not in workers(process.pid):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert (process.returncode, err) == (130, "dlpipe: interrupted\n")
    assert workers(process.pid) == b""


def workers(session):
    """The command lines of the other processes of a session."""
    found = b""
    for process in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            if int(process) != session and os.getsid(int(process)) == session:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    found += file.read()
    return found
