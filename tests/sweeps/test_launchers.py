"""Sweeps by joblib's and submitit's launchers, whose jobs run in processes of their own."""

import pickle
import signal
import subprocess
import sys

import pytest

from dlpipe.runs.directory import read_ranks, read_summary
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal

SHORT = ("recipe.max_epochs=1", "hydra.sweep.dir=sweep")
BROKEN = """
import pytorch_lightning as pl

class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

class Broken(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        raise TwoArguments("one", "two")
    def configure_optimizers(self):
        return None
"""


@pytest.fixture(params=["joblib", "submitit_local"])
def launcher(request):
    """The override that chooses it."""
    return f"hydra/launcher={request.param}"


def sweep(folder, *overrides):
    command = [sys.executable, "-m", "dlpipe", "-m", *overrides, *SHORT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_each_job_trains_on_two_devices(launcher, tmp_path):
    done = sweep(tmp_path, launcher, "seed=1,2", "trainer=ddp", "trainer.devices=2")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for job in ("0-logreg", "1-logreg"):
        assert read_summary(tmp_path / "sweep" / job)["status"] == "finished"
        assert len(read_ranks(tmp_path / "sweep" / job)) == 2


def test_an_exception_that_cannot_be_unpickled_fails_its_own_job_only(launcher, tmp_path, install):
    install("dlpipe-broken", {"broken": "broken:Broken"}, {"broken.py": BROKEN})
    done = sweep(tmp_path, launcher, "model=broken,logreg", "try_one_batch=false")
    assert done.returncode == 1
    assert "one and two" in done.stderr
    assert not [word for word in ("un-serialize", "BrokenProcessPool", "UncompletedJobError") if word in done.stderr]
    assert read_summary(tmp_path / "sweep" / "1-logreg")["status"] == "finished"


def test_the_exit_code_of_a_stopped_job_is_the_same_in_the_process_that_waits_for_it():
    assert pickle.loads(pickle.dumps(StoppedBySignal(signal.SIGINT))).code == 128 + signal.SIGINT
