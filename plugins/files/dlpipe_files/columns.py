"""Columns of a table as features: standardised numbers, and categories one-hot."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpipe import DataError
from dlpipe_files.config_text import check_text, natural_order
from dlpipe_files.table_file import Cells, TableFile, is_missing


@dataclass(frozen=True)
class Numbers:
    """A column that becomes one feature, (value - mean) / std; a missing value becomes 0, the mean."""

    name: str
    mean: float
    std: float

    num_features = 1

    def encode(self, cells: Cells) -> NDArray[np.float64]:
        """(rows, 1)."""
        return np.asarray(np.nan_to_num((cells - self.mean) / self.std)[:, None])


@dataclass(frozen=True)
class Categories:
    """A column that becomes a feature for each category; a missing value becomes the most frequent one."""

    name: str
    categories: list[str]
    most_frequent: str

    @property
    def num_features(self) -> int:
        """One for each category."""
        return len(self.categories)

    def encode(self, cells: Cells) -> NDArray[np.float64]:
        """(rows, categories), all 0 for a text that is no category."""
        filled = np.array([self.most_frequent if cell is None else cell for cell in cells], dtype=object)
        return np.asarray(filled[:, None] == np.array(self.categories, dtype=object), np.float64)


Column = Numbers | Categories


def fit_columns(table: TableFile, names: Sequence[str], train: NDArray[np.int64], max_categories: int) -> list[Column]:
    """How to encode columns, by the training rows alone.

    Raises:
        DataError: a column has no values there, or too many categories.
    """
    if not names:
        raise DataError(f"{table.path} has no column besides the target and those that are ignored")
    return [_fit(table, name, table.column(name)[train], max_categories) for name in names]


def _fit(table: TableFile, name: str, cells: Cells, max_categories: int) -> Column:
    where = f"{table.path}, column {name!r}"
    present = cells[~is_missing(cells)]
    if not len(present):
        raise DataError(f"{where} has no values in the training rows; set dataset.ignore=[{name}]")
    if cells.dtype != object:
        return Numbers(name, float(present.mean()), float(present.std()) or 1.0)
    categories, counts = np.unique(present.astype(str), return_counts=True)
    if len(categories) > max_categories:
        raise DataError(
            f"{where} has {len(categories)} different texts; set dataset.ignore=[{name}], "
            f"or dataset.max_categories={len(categories)}"
        )
    return Categories(name, natural_order(map(str, categories)), str(categories[counts.argmax()]))


def encode(table: TableFile, columns: Sequence[Column], rows: NDArray[np.int64]) -> Tensor:
    """The features of some rows, (rows, features) of float32; raises a DataError if a column is not there."""
    parts = [column.encode(table.column(column.name)[rows]) for column in columns]
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))


def unknown_categories(table: TableFile, columns: Iterable[Column]) -> Iterator[str]:
    """A message for each text that is none of its column's categories."""
    for column in columns:
        if isinstance(column, Categories):
            known = {None, *column.categories}
            for row, cell in enumerate(table.column(column.name)):
                if cell not in known:
                    known_ones = ", ".join(column.categories)
                    yield f"{table.cell(row, column.name)}: {cell!r} is none of the categories {known_ones}"


def as_texts(columns: Iterable[Column]) -> list[str]:
    """Each column as JSON, for a config: one value a column, whose texts no interpolation is taken for."""
    return [json.dumps(asdict(column), ensure_ascii=True).replace("$", "\\u0024") for column in columns]


def from_texts(texts: Iterable[str]) -> list[Column]:
    """The columns that `as_texts` wrote; a DataError if one is not of them."""
    columns: list[Column] = []
    for text in texts:
        try:
            values: dict[str, Any] = json.loads(text)
            columns.append(Categories(**values) if "categories" in values else Numbers(**values))
        except (ValueError, TypeError) as error:
            raise DataError(f"dataset.columns has {text!r}, which a run does not write: {error}") from error
    return columns


def class_names_of(table: TableFile, target: str) -> list[str]:
    """The classes of a column without missing values, in order of their numbers or of the alphabet."""
    names = natural_order(set(class_cells(table.column(target))))
    for name in names:
        check_text(name, f"a class of {table.path}, column {target!r},")
    return names


def class_cells(cells: Cells) -> list[str]:
    """The names of the classes (rows,); whole numbers without a decimal point."""
    if cells.dtype == object:
        return [str(cell) for cell in cells]
    return [str(int(cell)) if float(cell).is_integer() else str(float(cell)) for cell in cells]
