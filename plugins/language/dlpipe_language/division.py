"""Dividing examples into train, val and test, always in the same way for the same seed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import Field

from dlpipe import DataError
from dlpipe.data import SplitName

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Place(NamedTuple):
    """Where an example is from: the split that its file or folder names, or None; its class, or ""; its name."""

    split: SplitName | None
    class_name: str
    name: str


def divide(
    places: Sequence[Place], fractions: Mapping[SplitName, float], seed: int, unit: str, source: object
) -> dict[SplitName, list[int]]:
    """The row numbers of train, val and test.

    A split without files of its own gets a part of the training examples, the same of each class. The division depends
    on the seed and the names alone.

    Args:
        places: of all examples.
        fractions: part of the training examples for val and for test, at least one of each class.
        seed: of the division.
        unit: the examples in a message, such as ``texts``.
        source: their file or folder, for the message.

    Raises:
        DataError: no example of a class is left for training.
    """
    named = {place.split for place in places}
    fractions = {name: 0.0 if name in named else part for name, part in fractions.items()}
    splits = {row: place.split for row, place in enumerate(places)}
    classes: dict[str, list[int]] = {}
    for row, place in enumerate(places):
        if place.split in (None, "train"):
            classes.setdefault(place.class_name, []).append(row)
    for class_name, rows in classes.items():
        counts = {name: max(1, round(len(rows) * part)) if part else 0 for name, part in fractions.items()}
        if sum(counts.values()) >= len(rows):
            of_class = f" of class {class_name!r}" if class_name else ""
            only = f" ({places[rows[0]].name})" if len(rows) == 1 else ""
            needed = f"{counts['val']} for validation and {counts['test']} for the test leave none for training"
            what = unit if len(rows) > 1 else unit.removesuffix("s")
            raise DataError(f"{source} has {len(rows)} {what}{of_class}{only}: {needed}; add some")
        rows.sort(key=lambda row: _drawn(seed, places[row].name))
        drawn: list[SplitName] = [name for name, count in counts.items() for _ in range(count)]
        drawn += ["train"] * (len(rows) - len(drawn))
        splits |= zip(rows, drawn, strict=True)
    return {name: [row for row, split in splits.items() if split == name] for name in ("train", "val", "test")}


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogateescape")).digest()
