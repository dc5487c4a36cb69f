"""OmegaConf resolvers: those that sample hyper-parameters are here; the same key gives the same value everywhere."""

import random
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from dlpipe.config.job_resources import cores_of_job, gpus_of_job, jobs_at_once


def uniform(low: float, high: float, *key: Any) -> float:
    """A number between ``low`` and ``high``, for ``${uniform:0.01,0.05,${seed},lr}``; the key seeds the draw."""
    return random.Random(repr(key)).uniform(low, high)


def choice(values: Sequence[Any], *key: Any) -> Any:
    """One of ``values``, for ``${choice:[100,200],${seed},num_hidden}``; the key seeds the draw."""
    return random.Random(repr(key)).choice(list(values))


def register() -> None:
    """Register all with OmegaConf."""
    for resolver in (uniform, choice, jobs_at_once, cores_of_job, gpus_of_job):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
