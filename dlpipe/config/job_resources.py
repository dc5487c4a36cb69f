"""How many jobs of a sweep a machine trains at once, with how many cores and GPUs; ``conf/launcher/`` asks for it.

``accelerator`` and ``devices`` are the Trainer's arguments.
"""

import functools
import multiprocessing
import os
import re
from collections.abc import Sequence
from typing import Any

from dlpipe.operating_system import usable_cores

WORKER = re.compile(r"LokyProcess-(\d+)")  # of joblib
ALL_DEVICES = ("auto", "-1", "")


def jobs_at_once(threads: int, accelerator: Any, devices: Any, jobs_per_gpu: int) -> int:
    """The number of jobs for which this machine has a core for each thread, and a GPU for each device; at least 1."""
    at_once = usable_cores() // cores_of_job(threads, accelerator, devices)
    if gpus := gpus_of_job(accelerator, devices):
        at_once = min(at_once, len(_visible_gpus()) // int(gpus) * jobs_per_gpu)
    return max(1, at_once)


def cores_of_job(threads: int, accelerator: Any, devices: Any) -> int:
    """The number of threads of all processes of a job: one process trains on each device."""
    return threads * _num_devices(accelerator, devices)


def gpus_of_job(accelerator: Any, devices: Any, jobs_per_gpu: int = 1) -> float | None:
    """The number of GPUs of a job, less than 1 where several share one; None without GPUs."""
    if not _uses_gpus(accelerator):
        return None
    number = _num_devices(accelerator, devices)
    return 1 / jobs_per_gpu if number == 1 and jobs_per_gpu > 1 else number


def pin_joblib_worker(accelerator: Any, devices: Any) -> None:
    """In a worker of joblib, leave visible only its own GPUs: the next ones for each worker, counted round.

    The worker keeps them for all of its jobs, as CUDA reads the variable only once in a process. Where ``devices`` is a
    list, the user has chosen the GPUs.
    """
    worker = WORKER.match(multiprocessing.current_process().name)
    if worker and isinstance(devices, int) and _uses_gpus(accelerator):
        gpus, number = _visible_gpus(), _num_devices(accelerator, devices)
        first = (int(worker[1]) - 1) % max(1, len(gpus) // number) * number
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[first : first + number])


def _uses_gpus(accelerator: Any) -> bool:
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and bool(_visible_gpus()))


def _num_devices(accelerator: Any, devices: Any) -> int:
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return len(devices)
    text = str(devices).strip()
    if text in ALL_DEVICES:
        return max(1, len(_visible_gpus())) if _uses_gpus(accelerator) else 1
    return len(text.split(",")) if "," in text else max(1, int(text))


@functools.cache  # before `pin_joblib_worker` leaves fewer
def _visible_gpus() -> list[str]:
    """The numbers or names of the NVIDIA GPUs that this process may use."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    import torch  # only where a run may use GPUs: the config checks do without it

    return [str(number) for number in range(torch.cuda.device_count())]
