"""The tutorials' published logs, digit for digit, on the real MNIST."""

import csv
import json
import subprocess
import sys

import pytest


@pytest.fixture
def train(real_mnist, tmp_path):
    """Run ``python -m dlpipe`` on MNIST; gives its summary and its rows of metrics."""

    def run(*overrides):
        where = [f"dataset.directory={real_mnist}", f"hydra.run.dir={tmp_path}/run"]
        command = [sys.executable, "-m", "dlpipe", "dataset=mnist", *where, *overrides]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
            return json.loads((tmp_path / "run" / "summary.json").read_text()), list(csv.DictReader(file))

    return run


def percents(rows, name):
    """The values of a metric, as the tutorials print them."""
    return [f"{100 * float(row[name]):f}" for row in rows if row[name]]


def test_logistic_regression_begins_with_the_published_validation_errors(train):
    _, rows = train("model=logreg", "trainer.max_epochs=2")
    assert percents(rows, "val/error") == ["12.458333", "11.010417"]


@pytest.mark.slow
def test_logistic_regression_reproduces_the_published_log(train):
    summary, rows = train("model=logreg")
    assert (summary["best"]["value"], summary["best"]["epoch"]) == (0.075, 73)
    assert summary["test"]["test/error"] == pytest.approx(719 / 9600, rel=1e-12)
    assert summary["evaluated"] == {"val": 9600, "test": 9600}
    # the last update is number 6140 counted from 0
    assert (summary["stopped_by"], summary["epochs"], summary["updates"]) == ("patience", 74, 6141)
    assert percents(rows, "val/error")[71:73] == ["7.510417", "7.500000"]
    assert [target["reached"] for target in summary["targets"]] == [True, True]
