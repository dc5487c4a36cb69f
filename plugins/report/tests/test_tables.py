"""Tables, and the numbers of runs in them."""

import math
from pathlib import Path

import pytest

from dlpipe_report.page.run_view import duration, names_of
from dlpipe_report.page.table import EMPTY, Cell, Row, Table, drop_empty, metric_cell, metric_column, word


def test_errors_are_in_per_cent_and_sorted_as_they_are():
    assert metric_cell("val/error", 0.125, 0.01) == Cell("12.5000 \u00b1 1.0000", 0.125)
    assert metric_column("val/error") == "val/error (%)"
    assert metric_cell("val/loss", 0.125) == Cell("0.1250", 0.125)


def test_nan_and_missing_values_are_sorted_behind_all_others():
    assert metric_cell("val/loss", math.nan) == Cell("NaN", None)
    assert metric_cell("val/loss", None) == EMPTY


def test_numbers_written_as_words_are_sorted_as_numbers():
    assert [word(text).sort for text in ("1e-3", 20, "Relu", "", "nan")] == [0.001, 20.0, "relu", None, None]


def test_columns_of_numbers_are_known_and_empty_ones_dropped():
    table = Table(["name", "value", "nothing"], [Row([word("a"), word(1), EMPTY]), Row([word("b"), EMPTY, EMPTY])])
    assert drop_empty(table).columns == ["name", "value"]
    assert drop_empty(table).numeric == [False, True]


@pytest.mark.parametrize(("seconds", "text"), [(1.25, "1.2 s"), (65, "1 min 5 s"), (12_000, "3 h 20 min")])
def test_durations_are_in_the_units_of_a_reader(seconds, text):
    assert duration(seconds) == text


def test_runs_are_named_by_the_shortest_ends_of_their_paths():
    assert names_of([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert names_of([Path("/a/x"), Path("/b/x")]) == ["a/x", "b/x"]
