"""How many jobs a machine trains at once, and which GPUs a worker uses; no GPU is needed for it."""

import multiprocessing
from types import SimpleNamespace

import pytest

from dlpipe.config import job_resources
from dlpipe.config.job_resources import cores_of_job, gpus_of_job, jobs_at_once, pin_joblib_worker


@pytest.fixture
def machine(monkeypatch):
    """Pretend that this process may use so many cores and these GPUs."""

    def pretend(cores=8, gpus=""):
        monkeypatch.setattr(job_resources, "usable_cores", lambda: cores)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        job_resources._visible_gpus.cache_clear()

    yield pretend
    job_resources._visible_gpus.cache_clear()


@pytest.mark.parametrize(
    ("threads", "devices", "expected"), [(1, 1, 8), (2, 1, 4), (2, 2, 2), (3, 1, 2), (16, 1, 1), (1, "auto", 8)]
)
def test_the_jobs_at_once_share_the_cores(machine, threads, devices, expected):
    machine(cores=8)
    assert jobs_at_once(threads, "cpu", devices, 1) == expected
    assert jobs_at_once(threads, "auto", devices, 1) == expected


@pytest.mark.parametrize(
    ("accelerator", "devices", "jobs_per_gpu", "expected"),
    [
        ("gpu", 1, 1, 4),
        ("auto", 1, 1, 4),
        ("cuda", 1, 3, 12),
        ("gpu", 2, 1, 2),
        ("gpu", -1, 1, 1),
        ("gpu", [0, 2], 2, 4),
    ],
)
def test_the_jobs_at_once_share_the_gpus(machine, accelerator, devices, jobs_per_gpu, expected):
    machine(cores=64, gpus="0,1,2,3")
    assert jobs_at_once(1, accelerator, devices, jobs_per_gpu) == expected


def test_jobs_on_gpus_need_cores_too(machine):
    machine(cores=2, gpus="0,1,2,3")
    assert jobs_at_once(1, "gpu", 1, 1) == 2


def test_several_jobs_share_a_gpu_only_where_each_uses_one(machine):
    machine(gpus="0,1,2,3")
    assert [gpus_of_job("gpu", 1), gpus_of_job("gpu", 1, 4), gpus_of_job("gpu", 2, 4)] == [1, 0.25, 2]
    assert gpus_of_job("cpu", 2) is None


def test_a_job_has_a_core_for_each_thread_of_each_process(machine):
    machine()
    assert [cores_of_job(2, "cpu", devices) for devices in (1, 3, "3", [0, 1], "0,1", "auto")] == [2, 6, 6, 4, 4, 2]


@pytest.mark.parametrize(
    ("worker", "devices", "expected"),
    [
        (1, 1, "4"),
        (2, 1, "5"),
        (4, 1, "7"),
        (5, 1, "4"),
        (1, 2, "4,5"),
        (2, 2, "6,7"),
        (3, 2, "4,5"),
        (2, [0], "4,5,6,7"),
    ],
)
def test_each_worker_of_joblib_has_the_next_gpus(machine, monkeypatch, worker, devices, expected):
    machine(gpus="4,5,6,7")
    process = SimpleNamespace(name=f"LokyProcess-{worker}")
    monkeypatch.setattr(multiprocessing, "current_process", lambda: process)
    for _ in range(2):  # the next job of the worker finds fewer
        pin_joblib_worker("gpu", devices)
        assert job_resources.os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_no_gpu_is_hidden_from_other_processes(machine):
    machine(gpus="4,5")
    pin_joblib_worker("gpu", 1)
    assert job_resources.os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"
