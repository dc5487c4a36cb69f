"""The settings of a sweep: jobs that differ in nothing but the seed, added up."""

import math
import re
import statistics
from dataclasses import dataclass
from functools import cached_property

from dlpipe.sweeps.record import FINISHED
from dlpipe.sweeps.rows import Best, Row

VALIDATION = re.compile(r"^val(id|idation)?(?=[/_])")  # of a metric's name; its test has the same name otherwise
SEED = "seed"


@dataclass(frozen=True)
class Statistics:
    """Mean and sample standard deviation (n - 1) of one metric; no deviation of a single value."""

    mean: float
    std: float | None
    count: int


@dataclass(frozen=True)
class Setting:
    """Jobs that differ in nothing but the seed.

    Args:
        name: the hash that their records share.
        overrides: key to value, without the seed.
        rows: one for each job, also those that have not finished.
    """

    name: str
    overrides: dict[str, str]
    rows: list[Row]

    @cached_property
    def finished(self) -> list[Row]:
        """The jobs that count, the best on validation first: they finished, with a value if any job monitors one."""
        finished = [row for row in self.rows if row.status == FINISHED]
        return [row for row in finished if row.is_ranked] or finished

    @property
    def best(self) -> Row | None:
        """The job that is best on validation; None if no metric was monitored, or no job has finished."""
        return self.finished[0] if self.finished and self.finished[0].is_ranked else None

    @property
    def metric(self) -> str | None:
        """The monitored metric."""
        return self.best.best.metric if self.best and self.best.best else None

    @cached_property
    def validation(self) -> Statistics | None:
        """Of the jobs' best validation values."""
        return add_up([row.best.value for row in self.finished if row.best and row.best.metric == self.metric])

    @cached_property
    def test(self) -> dict[str, Statistics]:
        """Of each test metric."""
        metrics = dict.fromkeys(metric for row in self.finished for metric in row.test)
        added_up = {
            metric: add_up([row.test[metric] for row in self.finished if metric in row.test]) for metric in metrics
        }
        return {metric: values for metric, values in added_up.items() if values}

    @property
    def rank(self) -> tuple[bool, tuple[str, float]]:
        """Sort key: the best mean on validation first, each metric by itself, settings without one last."""
        if self.best is None or self.best.best is None or self.validation is None:
            return (True, ("", 0.0))
        return (False, Best(self.best.best.metric, self.validation.mean, 0, self.best.best.mode).rank)


def settings_of(rows: list[Row]) -> list[Setting]:
    """The settings of rows from `read_rows`, ranked by their mean on validation; those without one last."""
    by_setting: dict[str, list[Row]] = {}
    for row in rows:
        by_setting.setdefault(row.setting, []).append(row)
    settings = [Setting(name, _without_seed(own[0].overrides), own) for name, own in by_setting.items()]
    return sorted(settings, key=lambda setting: setting.rank)


def add_up(values: list[float]) -> Statistics | None:
    """Mean and sample standard deviation, NaN if a value is not finite; None without values."""
    if not values:
        return None
    if not all(map(math.isfinite, values)):  # Python 3.11 raises AttributeError
        return Statistics(math.nan, math.nan if len(values) > 1 else None, len(values))
    return Statistics(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def matching_test_metric(metric: str) -> str:
    """``test/error`` for ``val/error``."""
    return VALIDATION.sub("test", metric)


def _without_seed(overrides: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in overrides.items() if key != SEED}
