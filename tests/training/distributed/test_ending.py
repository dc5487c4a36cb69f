"""However a run on two processes ends, all of it ends, and the first error is the one that is reported."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from dlpipe.runs.directory import read_summary

FAILING = """
import os, pathlib, signal, time
import pytorch_lightning as pl, torch

class Failing(pl.LightningModule):
    def __init__(self, how: str):
        super().__init__()
        self.how = how
        self.linear = torch.nn.Linear(784, 10)

    def training_step(self, batch, batch_idx):
        if self.global_rank == 1 and batch_idx == 3:
            if self.how == "asleep":
                pathlib.Path("asleep").touch()
                time.sleep(100)
            if self.how == "exited":
                os._exit(3)
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("rank 1 cannot go on")
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])
"""


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raised", "rank 1 of 2 failed: ValueError: rank 1 cannot go on"),
        pytest.param("killed", "was killed by SIGKILL; the others were ended", marks=pytest.mark.slow),
        pytest.param(
            "exited",
            "rank 1 of 2 ended with exit code 3 and no error; the others were ended",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_rank_that_fails_ends_the_job_with_its_error(how, message, cli, install):
    install("dlpipe-failing", {"failing": "failing:Failing"}, {"failing.py": FAILING})
    result = cli("model=failing", f"model.how={how}", "trainer=ddp", "hydra.run.dir=run")
    assert result.code == 1
    assert message in result.out + result.err
    assert "Connection closed by peer" not in result.out + result.err  # what the other rank met is no cause
    assert "Traceback" not in result.out + result.err
    assert (result.folder / "run" / "dlpipe.log").read_text().count("Traceback") == (how == "raised")
    assert alive(ranks(result.folder / "run")) == []
    assert read_summary(result.folder / "run").get("status") == "failed"


def ranks(run_dir):
    return [rank["pid"] for rank in json.loads((run_dir / "ranks.json").read_text())]


def alive(pids):
    """Those that run; a zombie, which waits for its parent to ask how it ended, does not."""
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}") and state(pid) != "Z"]


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def training(dlpipe_process, folder, *overrides, reached="run/checkpoints/last.ckpt"):
    """A long run on two processes that has left this file."""
    words = ["trainer=ddp", "recipe.max_epochs=100000", "recipe.patience=null", *overrides, "hydra.run.dir=run"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with dlpipe_process(words, cwd=folder, **streams) as process:
        until(lambda: (folder / reached).exists() or process.poll() is not None)
        assert process.poll() is None, process.stdout.read()
        assert len(alive(ranks(folder / "run"))) == 2
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_ends_every_rank_and_the_run_says_how_to_resume(number, tmp_path, dlpipe_process):
    with training(dlpipe_process, tmp_path) as process:
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number
    assert alive(ranks(tmp_path / "run")) == []
    assert f"to resume from the last checkpoint: python -m dlpipe resume {tmp_path / 'run'}" in output
    assert not re.search("Traceback|death signal", output)
    assert read_summary(tmp_path / "run")["status"] == "interrupted"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends a child with its parent")
def test_no_rank_outlives_a_parent_that_was_killed(tmp_path, dlpipe_process):
    with training(dlpipe_process, tmp_path) as process:
        process.kill()
        process.wait()
        until(lambda: not alive(ranks(tmp_path / "run")), seconds=10)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ranks_that_wait_for_each_other_end_too(tmp_path, install, dlpipe_process):
    """One is in the exchange of gradients while the other does something else: they must not talk once more."""
    install("dlpipe-failing", {"failing": "failing:Failing"}, {"failing.py": FAILING})
    with training(dlpipe_process, tmp_path, "model=failing", "model.how=asleep", reached="asleep") as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
    assert process.returncode == 128 + signal.SIGTERM
    assert alive(ranks(tmp_path / "run")) == []
    assert read_summary(tmp_path / "run")["status"] == "interrupted"
