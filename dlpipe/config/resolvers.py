"""OmegaConf resolvers that sample hyper-parameters; the same key gives the same value in every process."""

import random
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf


def uniform(low: float, high: float, *key: Any) -> float:
    """A number between ``low`` and ``high``, for ``${uniform:0.01,0.05,${seed},lr}``; the key seeds the draw."""
    return random.Random(repr(key)).uniform(low, high)


def choice(values: Sequence[Any], *key: Any) -> Any:
    """One of ``values``, for ``${choice:[100,200],${seed},num_hidden}``; the key seeds the draw."""
    return random.Random(repr(key)).choice(list(values))


def register() -> None:
    """Register both with OmegaConf."""
    for resolver in (uniform, choice):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
