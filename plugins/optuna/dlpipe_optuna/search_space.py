"""A search space: Hydra's sweep grammar as Optuna's distributions."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Sweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

LOG = "log"


@dataclass(frozen=True)
class SearchSpace:
    """What the trials of a search share, and what they differ in.

    Args:
        fixed: overrides of every trial.
        dimensions: the distribution of each key.
        errors: why an override is not a dimension, by its text.
    """

    fixed: list[str]
    dimensions: dict[str, BaseDistribution]
    errors: dict[str, str]

    @property
    def first(self) -> list[str]:
        """The overrides of one trial: each key has the first or lowest value."""
        return [*self.fixed, *overrides({key: first_value(own) for key, own in self.dimensions.items()})]


def parse_search_space(
    params: Mapping[str, Any] | None, arguments: Sequence[str], loader: ConfigLoader | None
) -> SearchSpace:
    """The space of a request; as in Hydra's own sweeper, ``arguments`` replace ``hydra.sweeper.params``.

    ``loader`` knows the options of a group, for ``glob``.
    """
    parser = OverridesParser.create(config_loader=loader)
    texts = [*(f"{key}={value}" for key, value in (params or {}).items()), *arguments]
    by_key = {override.get_key_element(): override for override in parser.parse_overrides(texts)}
    space = SearchSpace([], {}, {})
    for key, override in by_key.items():
        if not override.is_sweep_override():
            space.fixed.append(str(override.input_line))
            continue
        try:
            space.dimensions[key] = distribution(override)
        except ValueError as error:
            space.errors[str(override.input_line)] = str(error)
    return space


def overrides(params: Mapping[str, Any]) -> list[str]:
    """The parameters of a trial as overrides."""
    return [f"{key}={value}" for key, value in params.items()]


def distribution(override: Override) -> BaseDistribution:
    """Optuna's distribution for a sweep.

    Raises:
        ValueError: it has none.
    """
    sweep: Any = override.value()
    tags = sweep.tags if isinstance(sweep, Sweep) else set()
    if tags - {LOG}:
        raise ValueError(
            f"the only tag is {LOG}, as in tag(log,interval(1e-4,1e-1)); this has {', '.join(sorted(tags))}"
        )
    low: Any
    high: Any
    step: Any = None
    if isinstance(sweep, IntervalSweep):
        low, high = sweep.start, sweep.end
    elif isinstance(sweep, RangeSweep):
        numbers = sorted(sweep.range())
        low, high, step = numbers[0], numbers[-1], abs(sweep.step)
    elif tags:
        raise ValueError("a choice has no logarithm; write tag(log,interval(1e-4,1e-1)) for numbers")
    else:
        return CategoricalDistribution(list(dict.fromkeys(override.sweep_string_iterator())))
    if tags and low <= 0:
        raise ValueError(f"a logarithm needs numbers above 0, and the lowest is {low}")
    if isinstance(low, int):
        return IntDistribution(low, high, log=bool(tags), step=step or 1)
    return FloatDistribution(low, high, log=bool(tags), step=step)


def first_value(own: BaseDistribution) -> Any:
    """The first choice, or the lowest number."""
    return own.choices[0] if isinstance(own, CategoricalDistribution) else own.low  # type: ignore[attr-defined]


def grid_values(own: BaseDistribution) -> list[Any] | None:
    """All values of a distribution; None if there are infinitely many."""
    if isinstance(own, CategoricalDistribution):
        return list(own.choices)
    if isinstance(own, IntDistribution):
        return list(range(own.low, own.high + 1, own.step))
    assert isinstance(own, FloatDistribution)
    if own.step is None:
        return None
    count = round((own.high - own.low) / own.step) + 1
    return [min(own.low + own.step * index, own.high) for index in itertools.islice(itertools.count(), count)]
