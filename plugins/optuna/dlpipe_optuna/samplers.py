"""Optuna's samplers and pruners by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna import pruners, samplers
from optuna.distributions import BaseDistribution

from dlpipe_optuna.search_space import grid_values

SAMPLERS = {
    "tpe": samplers.TPESampler,
    "random": samplers.RandomSampler,
    "grid": samplers.GridSampler,
    "cmaes": samplers.CmaEsSampler,
    "nsgaii": samplers.NSGAIISampler,
}
PRUNERS = {
    "none": pruners.NopPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "successive_halving": pruners.SuccessiveHalvingPruner,
    "hyperband": pruners.HyperbandPruner,
    "threshold": pruners.ThresholdPruner,
}
NO_PRUNER = "none"


def build_sampler(
    name: str, options: Mapping[str, Any] | None, dimensions: Mapping[str, BaseDistribution], seed: int, number: int
) -> samplers.BaseSampler:
    """The sampler of one trial.

    Every trial has one of its own, with a seed of its own: what it proposes is then a function of the seed, the number
    of the trial and the trials before it, also if the search was killed and continued.

    Raises:
        ValueError: a dimension has infinitely many values, and the sampler is ``grid``; or a value of the options.
        TypeError: the sampler takes no such option.
        ImportError: cmaes is not installed.
    """
    options = dict(options or {})
    if name == "grid":  # numbers the points of a grid that the seed shuffles
        return samplers.GridSampler(grid(dimensions), seed=seed, **options)
    own_seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    sampler: samplers.BaseSampler = SAMPLERS[name](seed=own_seed, **options)
    return sampler


def grid(dimensions: Mapping[str, BaseDistribution]) -> dict[str, list[Any]]:
    """Every value of each dimension.

    Raises:
        ValueError: names those that have infinitely many.
    """
    values = {key: grid_values(own) for key, own in dimensions.items()}
    infinite = [key for key, own in values.items() if own is None]
    if infinite:
        raise ValueError(f"a grid needs choices or a range, and {', '.join(infinite)} is an interval")
    return {key: own for key, own in values.items() if own is not None}


def build_pruner(name: str, options: Mapping[str, Any] | None) -> pruners.BasePruner:
    """The pruner.

    Raises:
        ValueError: a value of the options.
        TypeError: the pruner takes no such option, or needs one.
    """
    pruner: pruners.BasePruner = PRUNERS[name](**dict(options or {}))
    return pruner
