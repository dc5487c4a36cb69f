"""The split into training, validation and test examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpipe import DataError
from dlpipe_files.split_rows import split_rows

FRACTIONS = {"val": 0.2, "test": 0.3}


@given(st.lists(st.integers(3, 30), min_size=1, max_size=5), st.floats(0.01, 0.49), st.floats(0.01, 0.49))
def test_every_row_is_in_one_split_and_every_class_in_each(sizes, val, test):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(0).permutation(len(labels))
    found = split_rows(order, {"val": val, "test": test}, labels, [str(label) for label in range(len(sizes))])
    assert sorted(np.concatenate([*found.values()])) == list(range(len(labels)))
    assert all(set(labels[rows]) == set(labels) for rows in found.values())


def test_the_fractions_are_of_each_class_and_the_order_is_kept():
    labels = np.repeat([0, 1], [100, 10])
    order = np.random.default_rng(0).permutation(110)
    found = split_rows(order, FRACTIONS, labels, ["a", "b"])
    assert {name: np.bincount(labels[rows]).tolist() for name, rows in found.items()} == {
        "train": [50, 5],
        "val": [20, 2],
        "test": [30, 3],
    }
    place = np.argsort(order)
    assert all((np.diff(place[rows]) > 0).all() for rows in found.values())


def test_a_class_with_too_few_examples_is_named():
    with pytest.raises(DataError, match="class 'b' has 2 examples, and a split needs one for each of 3 parts"):
        split_rows(np.arange(6), FRACTIONS, np.array([0, 0, 0, 0, 1, 1]), ["a", "b"])
    with pytest.raises(DataError, match="there are 1 examples"):
        split_rows(np.arange(1), FRACTIONS, np.zeros(1))


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    message = r"dataset\.val_fraction=0\.6 and dataset\.test_fraction=0\.4 leave nothing to train on"
    with pytest.raises(DataError, match=message):
        split_rows(np.arange(9), {"val": 0.6, "test": 0.4}, np.zeros(9))
