"""The tutorials' published logs, digit for digit, on the real MNIST."""

import pytest


def percents(rows, name):
    """The values of a metric, as the tutorials print them."""
    return [f"{100 * float(row[name]):f}" for row in rows if row[name]]


def test_logistic_regression_begins_with_the_published_validation_errors(train, real_mnist):
    _, _, rows = train("model=logreg", "dataset=mnist", f"dataset.directory={real_mnist}", "trainer.max_epochs=2")
    assert percents(rows, "val/error") == ["12.458333", "11.010417"]


@pytest.mark.slow
def test_logistic_regression_reproduces_the_published_log(train, real_mnist):
    _, summary, rows = train("model=logreg", "dataset=mnist", f"dataset.directory={real_mnist}")
    assert (summary["best"]["value"], summary["best"]["epoch"]) == (0.075, 73)
    assert summary["test"]["test/error"] == pytest.approx(719 / 9600, rel=1e-12)
    assert summary["evaluated"] == {"val": 9600, "test": 9600}
    # the last update is number 6140 counted from 0
    assert (summary["stopped_by"], summary["epochs"], summary["updates"]) == ("patience", 74, 6141)
    assert percents(rows, "val/error")[71:73] == ["7.510417", "7.500000"]
    assert [target["reached"] for target in summary["targets"]] == [True, True]
