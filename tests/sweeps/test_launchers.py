"""Sweeps by joblib's, submitit's and Ray's launchers, whose jobs run in processes of their own."""

import functools
import importlib.util
import itertools
import os
import pickle
import signal
import subprocess
import sys
import time

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

import dlpipe
from dlpipe.config import job_resources
from dlpipe.config.checks.config_checks import check
from dlpipe.operating_system import is_alive
from dlpipe.runs.directory import read_ranks, read_summary
from dlpipe.sweeps.record import read_events, read_jobs
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal

SHORT = ("recipe.max_epochs=1", "hydra.sweep.dir=sweep")
JOBS = {"0-logreg": "seed=1", "1-logreg": "seed=2"}
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


@pytest.fixture(params=["joblib", "submitit"])
def launcher(request):
    """The override that chooses it."""
    return f"launcher={request.param}"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """By job, the weights that it has when it is not part of a sweep, with the trainer's name as argument."""

    @functools.cache
    def weights_alone(trainer):
        folder = tmp_path_factory.mktemp(trainer)
        for name, seed in JOBS.items():
            dlpipe.run(seed, f"trainer={trainer}", SHORT[0], f"hydra.run.dir={folder / name}")
        return {name: weights(folder / name) for name in JOBS}

    return weights_alone


def sweep(folder, *overrides):
    command = [sys.executable, "-m", "dlpipe", "-m", *overrides, *SHORT]
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}  # or Ray writes a token into the user's home
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def weights(run_dir):
    return (run_dir / "weights.safetensors").read_bytes()


def jobs_at_once(sweep_dir):
    """The largest number of jobs that ran at the same time."""
    changes = [{"started": 1, "finished": -1}.get(event["event"], 0) for event in read_events(sweep_dir)]
    return max(itertools.accumulate(changes))


def wait_until_ended(pids):
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{pids} still run"
        time.sleep(0.1)


def check_jobs(done, folder, alone):
    """Each job has a directory of its own and the weights of the same job alone, and no process of a job is left."""
    assert done.returncode == 0, done.stderr
    assert {job.name: job.status for job in read_jobs(folder)} == dict.fromkeys(JOBS, "finished")
    assert {path.parent.name for path in folder.rglob("summary.json")} == set(JOBS)
    assert {name: weights(folder / name) for name in JOBS} == alone
    wait_until_ended([event["pid"] for event in read_events(folder) if event["event"] == "started"])


@pytest.mark.slow
def test_each_job_trains_on_two_devices_as_it_does_alone(launcher, tmp_path, alone):
    limit = "hydra.launcher.n_jobs=2" if launcher == "launcher=joblib" else "sweep.max_batch_size=2"
    done = sweep(tmp_path, launcher, limit, "seed=1,2", "trainer=ddp", "trainer.devices=2")
    check_jobs(done, tmp_path / "sweep", alone("ddp"))
    assert done.stderr == ""
    assert jobs_at_once(tmp_path / "sweep") == 2
    assert [len(read_ranks(tmp_path / "sweep" / job)) for job in JOBS] == [2, 2]


def test_each_job_of_joblib_trains_as_it_does_alone(tmp_path, alone):
    check_jobs(sweep(tmp_path, "launcher=joblib", "seed=1,2"), tmp_path / "sweep", alone("default"))


@pytest.mark.slow
def test_submitit_trains_each_job_as_it_does_alone_in_groups(tmp_path, alone):
    check_jobs(
        sweep(tmp_path, "launcher=submitit", "sweep.max_batch_size=1", "seed=1,2"), tmp_path / "sweep", alone("default")
    )
    assert jobs_at_once(tmp_path / "sweep") == 1


@pytest.mark.skipif(not importlib.util.find_spec("hydra_plugins.hydra_ray_launcher"), reason="Ray is not installed")
@pytest.mark.parametrize("trainer", ["default", "ddp"])
def test_each_job_on_ray_trains_as_it_does_alone(tmp_path, alone, trainer):
    """docs/launchers.md says how to run it."""
    done = sweep(tmp_path, "launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", "seed=1,2", f"trainer={trainer}")
    check_jobs(done, tmp_path / "sweep", alone(trainer))
    assert jobs_at_once(tmp_path / "sweep") <= 2


def test_a_sweep_is_resumed_with_another_launcher_and_its_jobs_do_not_say_which(cli):
    words = ("-m", "seed=1,2", *SHORT, "sweep.max_batch_size=1")
    assert cli(*words).code == 0
    result = cli(*words, "launcher=joblib", "resume=auto")
    assert (result.code, result.err) == (0, "")
    events = read_events(result.folder / "sweep")
    assert [event["event"] for event in events].count("started") == 2
    assert "launcher" not in (result.folder / "sweep" / "sweep.csv").read_text()


@pytest.mark.parametrize(
    ("preset", "hydras", "extra"),
    [
        ("joblib", "joblib", "joblib"),
        ("submitit", "submitit_local", "submitit"),
        ("slurm", "submitit_slurm", "submitit"),
        ("ray", "ray", "ray"),
    ],
)
def test_a_launcher_that_is_not_installed_is_refused_with_its_extra(cli, monkeypatch, preset, hydras, extra):
    Plugins.instance()  # registers the launchers that are installed
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["launcher"], f"{hydras}.yaml", raising=False)
    for choice in (f"launcher={preset}", f"hydra/launcher={hydras}"):
        result = cli("-m", choice, "seed=1,2")
        assert result.code == 2
        assert f"no hydra/launcher '{hydras}'; to install it: pip install 'dlpipe[{extra}]'" in result.err
        assert result.written == []


def test_the_users_own_number_of_jobs_wins_over_the_presets(monkeypatch):
    monkeypatch.setattr(job_resources, "usable_cores", lambda: 8)

    def composed(*overrides):
        ((_, config),) = check(list(overrides), multirun=True, output_key=None)
        return config

    assert composed("launcher=joblib", "threads=2").hydra.launcher.n_jobs == 4
    assert composed("launcher=joblib", "hydra.launcher.n_jobs=3").hydra.launcher.n_jobs == 3
    assert composed("launcher=submitit", "trainer=ddp", "trainer.devices=4").sweep.max_batch_size == 2
    assert composed("launcher=submitit", "sweep.max_batch_size=3").sweep.max_batch_size == 3
    slurm = composed("launcher=slurm", "threads=2", "trainer=ddp").hydra.launcher
    assert (slurm.cpus_per_task, slurm.gpus_per_node) == (4, None)


@pytest.mark.slow
def test_an_exception_that_cannot_be_unpickled_fails_its_own_job_only(launcher, tmp_path, install):
    install("dlpipe-broken", {"broken": "broken:Broken"}, {"broken.py": BROKEN})
    done = sweep(tmp_path, launcher, "model=broken,logreg", "try_one_batch=false")
    assert done.returncode == 1
    assert "one and two" in done.stdout
    assert "1 of 2 jobs failed; run them: python -m dlpipe resume" in done.stderr
    assert not [word for word in ("un-serialize", "BrokenProcessPool", "UncompletedJobError") if word in done.stderr]
    assert read_summary(tmp_path / "sweep" / "1-logreg")["status"] == "finished"


def test_no_worker_outlives_a_killed_sweep(tmp_path):
    words = ["launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2", "recipe.max_epochs=100000"]
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
    wait_until_ended(workers)
    assert [job.status for job in read_jobs(tmp_path / "sweep")] == ["interrupted", "interrupted"]


def test_the_exit_code_of_a_stopped_job_is_the_same_in_the_process_that_waits_for_it():
    assert pickle.loads(pickle.dumps(StoppedBySignal(signal.SIGINT))).code == 128 + signal.SIGINT
