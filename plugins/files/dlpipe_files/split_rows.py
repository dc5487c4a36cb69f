"""A seeded split into training, validation and test examples, by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpipe import DataError
from dlpipe.data import SplitName

Rows = NDArray[np.int64]


def split_rows(
    order: Rows, fractions: Mapping[SplitName, float], labels: NDArray[Any], class_names: Sequence[str] = ("",)
) -> dict[SplitName, Rows]:
    """The rows of train and of each other split, each in the given order, so that classes are mixed.

    Of each class, the first rows in that order become the other splits, at least one for each.

    Args:
        order: all row numbers, in random order.
        fractions: of the rows that go to each split other than train.
        labels: (rows,), from 0; all 0 where rows have no class.
        class_names: by label.

    Raises:
        DataError: a class has fewer rows than there are splits, or the fractions leave nothing to train on.
    """
    if sum(fractions.values()) >= 1:
        named = " and ".join(f"dataset.{name}_fraction={fraction}" for name, fraction in fractions.items())
        raise DataError(f"{named} leave nothing to train on: their sum must be less than 1")
    split_of = np.zeros(len(order), np.int64)
    for label, name in enumerate(class_names):
        rows = order[labels[order] == label]
        if len(rows) <= len(fractions):
            raise DataError(_too_few(name, len(rows), len(fractions) + 1))
        start = 0
        for index, fraction in enumerate(fractions.values(), start=1):
            left = len(fractions) - index + 1  # a row for each later split
            stop = min(start + max(1, round(fraction * len(rows))), len(rows) - left)
            split_of[rows[start:stop]] = index
            start = stop
    names: list[SplitName] = ["train", *fractions]
    return {name: order[split_of[order] == index] for index, name in enumerate(names)}


def _too_few(name: str, count: int, needed: int) -> str:
    what = f"class {name!r} has {count} example{'s' * (count != 1)}" if name else f"there are {count} examples"
    return f"{what}, and a split needs one for each of {needed} parts: add some, or leave this class out"
