"""Hyper-parameters drawn at random, as values of a config: the same for the same key, whoever draws them."""

import random
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf


def uniform(low: float, high: float, *key: Any) -> float:
    """A number between ``low`` and ``high``, for ``${uniform:0.01,0.05,${seed},lr}``.

    Args:
        low: the least.
        high: the largest.
        key: what the draw is a function of, such as a seed and the name of the value.
    """
    return random.Random(repr(key)).uniform(low, high)


def choice(values: Sequence[Any], *key: Any) -> Any:
    """One of ``values``, for ``${choice:[100,200],${seed},num_hidden}``.

    Args:
        values: at least one.
        key: as for `uniform`.
    """
    return random.Random(repr(key)).choice(list(values))


def register() -> None:
    """Make both known to OmegaConf."""
    for resolver in (uniform, choice):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)
