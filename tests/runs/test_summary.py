"""Comparison of a run's numbers with the published targets."""

from dlpipe.runs.summary import compare_with_targets

TARGET = {"dataset": "mnist", "metric": "test/error", "value": 0.07489583, "source": "log"}
BEST = {"metric": "val/accuracy", "value": 0.9, "update": 10, "epoch": 1}


def reached(target, test):
    (compared,) = compare_with_targets([target], "mnist", BEST, test)
    return compared["reached"]


def test_error_target_is_reached_by_the_same_or_a_lower_value():
    assert reached(TARGET, {"test/error": 719 / 9600})
    assert reached(TARGET, {"test/error": 0.01})
    assert not reached(TARGET, {"test/error": 720 / 9600})


def test_score_target_is_reached_by_the_same_or_a_higher_value_whatever_the_monitor():
    target = {**TARGET, "metric": "test/f1", "value": 0.942, "mode": "max"}
    assert reached(target, {"test/f1": 0.95})
    assert not reached(target, {"test/f1": 0.9})


def test_the_best_validation_counts_too():
    assert reached({**TARGET, "metric": "val/accuracy", "value": 0.85, "mode": "max"}, {})


def test_a_number_the_run_does_not_have_is_not_reached():
    assert not reached(TARGET, {})


def test_targets_of_other_datasets_are_left_out():
    assert compare_with_targets([TARGET], "digits", BEST, {"test/error": 0.0}) == []
