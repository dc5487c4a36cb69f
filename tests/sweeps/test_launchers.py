"""Sweeps by joblib's and submitit's launchers, whose jobs run in processes of their own."""

import pickle
import signal
import subprocess
import sys
import time

import pytest

from dlpipe.operating_system import is_alive
from dlpipe.runs.directory import read_ranks, read_summary
from dlpipe.sweeps.record import read_events, read_jobs
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
    assert "one and two" in done.stdout
    assert "1 of 2 jobs failed; run them: python -m dlpipe resume" in done.stderr
    assert not [word for word in ("un-serialize", "BrokenProcessPool", "UncompletedJobError") if word in done.stderr]
    assert read_summary(tmp_path / "sweep" / "1-logreg")["status"] == "finished"


def test_no_worker_outlives_a_killed_sweep(tmp_path):
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2", "recipe.max_epochs=100000"]
    command = [sys.executable, "-m", "dlpipe", "-m", *words, "recipe.patience=null", "hydra.sweep.dir=sweep"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not all((tmp_path / "sweep" / job / "metrics.csv").exists() for job in ("0-logreg", "1-logreg")):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    workers = [event["pid"] for event in read_events(tmp_path / "sweep") if event["event"] == "started"]
    assert len(set(workers)) == 2
    assert process.pid not in workers
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in workers):
        assert time.monotonic() < deadline, f"{workers} still run"
        time.sleep(0.1)
    assert [job.status for job in read_jobs(tmp_path / "sweep")] == ["interrupted", "interrupted"]


def test_the_exit_code_of_a_stopped_job_is_the_same_in_the_process_that_waits_for_it():
    assert pickle.loads(pickle.dumps(StoppedBySignal(signal.SIGINT))).code == 128 + signal.SIGINT
