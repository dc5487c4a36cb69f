"""The comparison of the two best settings, against the formulas, and by counting all signs."""

import itertools
import re

import numpy as np
import pytest
from scipy import stats

from dlpipe.sweeps.significance import compare, significance_line

# differences -3, -1, -2, 1, -4, -5 in hundredths: the seeds matter more than the setting, and 0.35 - 0.34 < 0.5 - 0.49
SECOND = [0.10, 0.50, 0.20, 0.34, 0.35, 0.70]
FIRST = [0.07, 0.49, 0.18, 0.35, 0.31, 0.65]


def by_seed(values):
    return {str(seed): value for seed, value in enumerate(values)}


def p_value(text, test):
    return float(re.search(rf"{test} p = ([\d.e-]+)", text)[1])


def test_t_test_is_paired_as_in_the_formula():
    text = compare("val/error", by_seed(FIRST), by_seed(SECOND))
    d = np.array(FIRST) - np.array(SECOND)
    t = d.mean() / (d.std(ddof=1) / np.sqrt(len(d)))
    assert p_value(text, "paired t-test") == pytest.approx(2 * stats.t.sf(abs(t), len(d) - 1), rel=5e-3)


def test_wilcoxon_is_the_share_of_all_signs_that_are_as_extreme():
    text = compare("val/error", by_seed(FIRST), by_seed(SECOND))
    ranks = np.array([4, 1.5, 3, 1.5, 5, 6])  # of |d| = 3, 1, 2, 1, 4, 5: the two 1s share the first two ranks
    observed = abs((ranks * [-1, -1, -1, 1, -1, -1]).sum())
    sums = [abs((ranks * signs).sum()) for signs in itertools.product((-1, 1), repeat=6)]
    exact = np.mean([total >= observed for total in sums])
    assert p_value(text, "Wilcoxon") == pytest.approx(exact, rel=5e-3)


def test_wilcoxon_without_ties_is_exact():
    second = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    first = [value + d for value, d in zip(second, [-0.01, -0.02, -0.03, 0.04, -0.05, -0.06], strict=True)]
    signs = np.array(list(itertools.product((-1, 1), repeat=6)))
    exact = np.mean(np.abs((signs * np.arange(1, 7)).sum(1)) >= abs(-1 - 2 - 3 + 4 - 5 - 6))
    assert p_value(compare("val/loss", by_seed(first), by_seed(second)), "Wilcoxon") == pytest.approx(exact, rel=5e-3)


def test_five_pairs_have_no_wilcoxon():
    text = compare("val/error", by_seed(FIRST[:5]), by_seed(SECOND[:5]))
    assert "paired t-test" in text
    assert "Wilcoxon" not in text


def test_only_seeds_that_both_have_count():
    text = compare("val/loss", {"1": 0.1, "2": 0.4, "3": 9.0}, {"2": 0.2, "1": 0.2, "4": 0.0})
    assert text.startswith("mean difference in val/loss +0.050000 over 2 seeds; paired t-test p = ")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"1": 0.1}, {"2": 0.2}, "they share 0 finished seeds, and a paired test needs 2"),
        ({"1": 0.1}, {"1": 0.2}, "they share 1 finished seed, and a paired test needs 2"),
        ({"1": 0.1, "2": 0.2}, {"1": 0.1, "2": 0.2}, "the difference is the same for every seed"),
        ({"1": 0.1, "2": 0.3}, {"1": 0.2, "2": 0.4}, "the difference is the same for every seed"),
    ],
    ids=["none shared", "one shared", "all zero", "all equal, but for rounding"],
)
def test_what_cannot_be_tested_says_why(first, second, reason):
    assert compare("val/loss", first, second).endswith(f"no test of significance: {reason}")


def test_the_line_names_the_two_best_settings_by_what_they_differ_in(tmp_path, write_job):
    for number, (model, lr, seed, value) in enumerate(
        [("mlp", 1, 1, 0.1), ("mlp", 1, 2, 0.3), ("logreg", 1, 1, 0.2), ("logreg", 1, 2, 0.3), ("logreg", 2, 1, 0.9)]
    ):
        write_job(tmp_path, number, [f"model={model}", f"optimizer.lr={lr}", f"seed={seed}"], value)
    # differences -0.1 and 0: t = -0.05 / (0.0707107 / sqrt(2)) = -1; with one degree of freedom p = 0.5
    assert significance_line(tmp_path) == (
        "model=mlp against model=logreg: mean difference in val/error -5.000000 % over 2 seeds; "
        "paired t-test p = 0.5; the best two of 3 settings, so p is too small"
    )


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_sweep_without_two_settings_says_so(jobs, tmp_path, write_job):
    for number in range(jobs):
        write_job(tmp_path, number, ["optimizer.lr=1"], 0.5)
    found = ["no setting has", "one setting has"][jobs]
    assert significance_line(tmp_path) == (
        f"no test of significance: {found} a value on validation, and it compares two of the same metric"
    )
