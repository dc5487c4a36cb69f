"""Rows of a sweep's jobs, and jobs that differ only in the seed added up."""

import math

import numpy as np
import pytest

from dlpipe.sweeps.record import append
from dlpipe.sweeps.rows import read_rows
from dlpipe.sweeps.settings import add_up, settings_of


def names(rows):
    return [row.name for row in rows]


def test_mean_and_sample_deviation_of_a_case_computed_by_hand():
    # mean (1 + 2 + 6) / 3 = 3; squared deviations 4 + 1 + 9 = 14, over n - 1 = 2: 7
    added_up = add_up([1.0, 2.0, 6.0])
    assert (added_up.mean, added_up.std, added_up.count) == (3.0, pytest.approx(math.sqrt(7), rel=1e-15), 3)


def test_mean_and_deviation_are_those_of_numpy():
    values = np.random.default_rng(0).normal(0.1, 0.01, 20)
    added_up = add_up(values.tolist())
    assert added_up.mean == pytest.approx(values.mean(), rel=1e-12)
    assert added_up.std == pytest.approx(values.std(ddof=1), rel=1e-12)


def test_one_value_has_no_deviation_and_no_value_has_no_mean():
    assert add_up([0.5]).std is None
    assert add_up([]) is None


def test_mean_with_a_nan_is_nan():
    added_up = add_up([0.5, math.nan])
    assert math.isnan(added_up.mean)
    assert math.isnan(added_up.std)


def test_settings_are_ranked_by_their_mean_not_by_their_best_job(tmp_path, write_job):
    for seed, value in enumerate((0.1, 0.5)):  # mean 0.3, with the best job of all
        write_job(tmp_path, seed, ["optimizer.lr=1", f"seed={seed}"], value)
    for seed, value in enumerate((0.2, 0.3)):  # mean 0.25
        write_job(tmp_path, 2 + seed, ["optimizer.lr=2", f"seed={seed}"], value)
    settings = settings_of(read_rows(tmp_path))
    assert [setting.overrides for setting in settings] == [{"optimizer.lr": "2"}, {"optimizer.lr": "1"}]
    assert [setting.validation.mean for setting in settings] == pytest.approx([0.25, 0.3])
    assert [setting.best.name for setting in settings] == ["2-job", "0-job"]


def test_the_largest_mean_is_first_where_more_is_better(tmp_path, write_job):
    for number, value in enumerate((0.1, 0.3, 0.2)):
        write_job(tmp_path, number, [f"optimizer.lr={number}"], value, metric="val/accuracy", mode="max")
    assert [setting.best.name for setting in settings_of(read_rows(tmp_path))] == ["1-job", "2-job", "0-job"]


def test_means_of_different_metrics_are_not_compared(tmp_path, write_job):
    for number, (metric, value) in enumerate([("val/loss", 0.2), ("val/error", 0.3), ("val/loss", 0.1)]):
        write_job(tmp_path, number, [f"optimizer.lr={number}"], value, metric=metric)
    assert [setting.best.name for setting in settings_of(read_rows(tmp_path))] == ["1-job", "2-job", "0-job"]


def test_the_test_of_a_setting_is_that_of_its_best_job_on_validation(tmp_path, write_job):
    write_job(tmp_path, 0, ["seed=0"], 0.2, test={"test/error": 0.9})
    write_job(tmp_path, 1, ["seed=1"], 0.3, test={"test/error": 0.1})  # best test, worse validation
    (setting,) = settings_of(read_rows(tmp_path))
    assert setting.best.test["test/error"] == 0.9
    assert setting.test["test/error"].mean == 0.5


@pytest.mark.parametrize("status", ["failed", "diverged", "pruned", "interrupted", "running"])
def test_a_job_that_is_not_finished_is_never_the_best_and_not_in_the_mean(status, tmp_path, write_job):
    write_job(tmp_path, 0, ["seed=0"], 0.0, status=status)
    write_job(tmp_path, 1, ["seed=1"], 0.4)
    rows = read_rows(tmp_path)
    assert names(rows) == ["1-job", "0-job"]
    (setting,) = settings_of(rows)
    assert (setting.best.name, setting.validation.mean, setting.validation.count) == ("1-job", 0.4, 1)
    assert len(setting.rows) == 2


@pytest.mark.parametrize("value", ["null", "NaN", "Infinity", "-Infinity"])
def test_a_job_whose_value_is_not_finite_is_not_the_best(value, tmp_path, write_job):
    job = write_job(tmp_path, 0, ["seed=0"], 0.5)
    summary = (job / "summary.json").read_text()
    (job / "summary.json").write_text(summary.replace("0.5", value))
    write_job(tmp_path, 1, ["seed=1"], 0.4)
    rows = read_rows(tmp_path)
    assert names(rows) == ["1-job", "0-job"]
    assert settings_of(rows)[0].validation.count == 1


def test_a_job_without_a_directory_is_a_row_with_its_status_and_error(tmp_path, write_job):
    write_job(tmp_path, 0, ["seed=0"], status="failed", error="no such file: a.csv")
    write_job(tmp_path, 1, ["seed=1"], status="waiting")
    assert [(row.status, row.error) for row in read_rows(tmp_path)] == [
        ("failed", "no such file: a.csv"),
        ("waiting", ""),
    ]


def test_overrides_that_say_how_a_job_is_run_are_no_columns(tmp_path):
    overrides = [
        "+optimizer.lr=0.1",
        "output_dir=y",
        "resume=auto",
        "hydra.sweep.dir=x",
        "hydra/launcher=joblib",
        "sweep.on_error=stop",
    ]
    append(tmp_path, "planned", "0-job", identity="a", setting="b", overrides=overrides)
    assert read_rows(tmp_path)[0].overrides == {"optimizer.lr": "0.1"}
