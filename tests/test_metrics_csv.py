"""metrics.csv read without torch or pandas, also while it is written."""

import math

import pytest

from dlpipe.errors import DlpipeError
from dlpipe.metrics_csv import read_epochs, read_metrics


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        (tmp_path / "metrics.csv").write_text(text)
        return read_metrics(tmp_path / "metrics.csv")

    return write_and_read


def test_points_are_updates_and_values(read):
    text = "step,epoch,train/loss,val/error\n9,0,0.5,\n19,1,nan,0.25\n"
    curves = read(text)
    assert curves["val/error"] == [(20, 0.25)]
    assert curves["train/loss"][0] == (10, 0.5)
    assert math.isnan(curves["train/loss"][1][1])


def test_a_row_that_is_being_written_is_left_out(read):
    assert read("step,epoch,loss\n9,0,0.51\n19,1,0.4") == {"loss": [(10, 0.51)]}


def test_each_row_has_its_epoch(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,epoch,loss\n9,0,0.5\n,0,0.5\n19,1,0.4\n29,2")
    assert read_epochs(tmp_path / "metrics.csv") == [(10, 1), (20, 2)]


def test_rows_without_a_step_are_left_out(read):
    assert read("step,epoch,loss\n,0,0.51\n19,1,0.4\n") == {"loss": [(20, 0.4)]}


def test_an_empty_file_has_no_curves(read):
    assert read("") == {}


@pytest.mark.parametrize("row", ["x,0,0.5", "1,0,half", "1,0,0.5,0.6"])
def test_a_damaged_file_is_named(read, row):
    with pytest.raises(DlpipeError, match=r"metrics.csv is damaged: .+; take a good copy"):
        read(f"step,epoch,loss\n{row}\n")
