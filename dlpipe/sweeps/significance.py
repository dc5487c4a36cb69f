"""Whether the two best settings of a sweep differ by more than chance: tests paired over the seeds they share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpipe.metrics import format_value
from dlpipe.sweeps.rows import read_rows
from dlpipe.sweeps.settings import Setting, settings_of

MIN_WILCOXON = 6  # pairs; with 5 its smallest p-value is 0.0625
EQUAL = 1e-9  # differences this close to each other, relative to the largest, are one value with rounding errors


def significance_line(sweep_dir: Path) -> str:
    """One line that compares the two best settings of a sweep on validation, or says why they cannot be compared.

    Raises:
        DlpipeError: the record of the sweep cannot be read.
    """
    ranked = [setting for setting in settings_of(read_rows(sweep_dir)) if setting.best]
    settings = [setting for setting in ranked if setting.metric == ranked[0].metric]
    if len(settings) < 2:
        found = "one setting has" if settings else "no setting has"
        return f"no test of significance: {found} a value on validation, and it compares two of the same metric"
    first, second, *others = settings
    metric = str(first.metric)
    values = [_by_seed(setting, metric) for setting in (first, second)]
    result = compare(metric, *values)
    chosen = f"; the best two of {len(settings)} settings, so p is too small" if others else ""
    return f"{_name(first, second)} against {_name(second, first)}: {result}{chosen}"


def compare(metric: str, first: dict[str, float], second: dict[str, float]) -> str:
    """Compare two settings by a t-test, and from six pairs on by Wilcoxon's signed-rank test; both are two-sided.

    Args:
        metric: the name of the values.
        first: the value of each seed of one setting.
        second: those of the other; only seeds that both have count.

    Returns:
        The mean difference with the p-values, or why there are none.
    """
    seeds = [seed for seed in first if seed in second]
    if len(seeds) < 2:
        found = f"{len(seeds)} finished seed{'s' * (len(seeds) != 1)}"
        return f"no test of significance: they share {found}, and a paired test needs 2"
    a, b = (np.array([values[seed] for seed in seeds]) for values in (first, second))
    difference = float((a - b).mean())
    mean = f"mean difference in {metric} {_signed(metric, difference)} over {len(seeds)} seeds"
    if np.ptp(a - b) <= EQUAL * np.abs(a - b).max():
        return f"{mean}; no test of significance: the difference is the same for every seed"
    return f"{mean}; {', '.join(_p_values(a, b))}"


def _p_values(a: NDArray[np.float64], b: NDArray[np.float64]) -> Iterator[str]:
    from scipy import stats

    yield f"paired t-test p = {stats.ttest_rel(a, b).pvalue:.3g}"
    if len(a) >= MIN_WILCOXON:
        # rounded, so that differences of as many examples are ties, as they are of fractions without rounding errors
        differences = ((a - b) / np.abs(a - b).max()).round(9)
        yield f"Wilcoxon p = {stats.wilcoxon(differences).pvalue:.3g}"


def _by_seed(setting: Setting, metric: str) -> dict[str, float]:
    return {row.seed: row.best.value for row in setting.finished if row.seed and row.best and row.best.metric == metric}


def _name(setting: Setting, other: Setting) -> str:
    """What a setting differs in from the other."""
    own = {key: value for key, value in setting.overrides.items() if other.overrides.get(key) != value}
    return " ".join(f"{key}={value}" for key, value in own.items()) or setting.name


def _signed(metric: str, value: float) -> str:
    return f"{'+' if value > 0 else ''}{format_value(metric, value)}"
