"""A table in a CSV or Parquet file."""

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dlpipe import DataError
from dlpipe.data import Split, SplitName, TensorDataModule, cached_splits, sha256_of
from dlpipe_files import columns as features
from dlpipe_files.columns import Column, Numbers, encode, fit_columns
from dlpipe_files.split_rows import Rows, split_rows
from dlpipe_files.table_file import TableFile, is_missing, read_table

log = logging.getLogger(__name__)
MOST_CLASSES = 20  # whole numbers in a target that are taken for classes
MOST_TEXT = 150_000  # characters of dataset.columns: a run's config may have 262,144 bytes
MOST_COLUMNS = 2_000  # it may have 3,000 values
SHOWN = 3  # of the rows that were skipped
Task = Literal["classification", "regression"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Table(TensorDataModule):
    """Your own table: a row for each example, a column for each feature, and the target.

    Numbers are standardised by mean and standard deviation of the training rows, texts become a feature for each
    category. The split is by class. y is the label, or for a regression the number as it is.

    Args:
        file: CSV with a header, compressed or not; or Parquet.
        target: the column to predict; null: the last.
        task: classification or regression; null: classification of texts, and of at most 20 different whole numbers.
        ignore: columns that are left out.
        categorical: columns of numbers that are categories.
        encoding: of a CSV file.
        missing: impute the mean, or the most frequent category, of the training rows; or stop.
        on_bad_row: stop at a row that cannot be used, or skip it and count it in a log line.
        max_categories: the most that a column may have.
        val_fraction: of the rows.
        test_fraction: of the rows.
        split_seed: of the split.
        columns: how each column is encoded; null: by the training rows.
        class_names: the values of the target, by label; null: those in the file.
        options: as for `TensorDataModule`.
    """

    def __init__(
        self,
        *,
        file: str,
        target: str | None = None,
        task: Task | None = None,
        ignore: list[str] | None = None,
        categorical: list[str] | None = None,
        encoding: str = "utf-8",
        missing: Literal["impute", "stop"] = "impute",
        on_bad_row: Literal["stop", "skip"] = "stop",
        max_categories: Annotated[int, Field(gt=0)] = 100,
        val_fraction: Fraction = 0.2,
        test_fraction: Fraction = 0.2,
        split_seed: int = 0,
        columns: list[str] | None = None,
        class_names: list[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.file = Path(file)
        self.target = target
        self.task = task
        self.ignore = tuple(ignore or ())
        self.categorical = tuple(categorical or ())
        self.encoding = encoding
        self.missing = missing
        self.on_bad_row = on_bad_row
        self.max_categories = max_categories
        self.fractions: dict[SplitName, float] = {"val": val_fraction, "test": test_fraction}
        self.split_seed = split_seed
        self.columns = columns
        self.class_names = class_names

    def options_from_files(self) -> dict[str, Any]:
        """Target, task, classes, and how the columns are encoded."""
        table, _ = self._table()
        target, task = self._target(table), self._task(table)
        encoded = self._columns(table)
        texts = features.as_texts(encoded)
        if len(texts) > MOST_COLUMNS or sum(map(len, texts)) > MOST_TEXT:
            raise DataError(
                f"{self.file} has {len(texts)} columns, more than a run's config can hold: at most {MOST_COLUMNS}, and "
                f"{MOST_TEXT} characters of names and categories; set dataset.ignore"
            )
        class_names = self._class_names(table) if task == "classification" else None
        return {
            "target": target,
            "task": task,
            "class_names": class_names,
            "num_classes": class_names and len(class_names),
            "columns": texts,
            "num_features": sum(column.num_features for column in encoded),
        }

    def prepare_data(self) -> None:
        """Read the file; a DataError names the line and column that is wrong."""
        self._table()

    def load_splits(self) -> dict[SplitName, Split]:
        """x (rows, features), y (rows,): int64 labels, or float32 numbers."""
        table, lines = self._table()
        encoded = self._columns(table)
        for line in [*lines, *self._notes(table, encoded)]:
            log.info("%s", line)
        source = ("table", sha256_of(self.file), repr(sorted((k, repr(v)) for k, v in self._options().items())))
        return cached_splits(source, lambda: self._splits(table, encoded))

    def checksums(self) -> dict[str, str]:
        """The file's name to its sha256."""
        return {self.file.name: sha256_of(self.file)}

    def read_examples(self, path: Path) -> Tensor:
        """The rows of another file with the same columns, which needs no target; encoded as the training rows were."""
        if self.columns is None:
            raise DataError("dataset.columns is null: only a run knows how its columns are encoded")
        encoded = features.from_texts(self.columns)
        names = [column.name for column in encoded]
        numbers = {column.name for column in encoded if isinstance(column, Numbers)}
        table = read_table(path, self.encoding, {*names} - numbers, numbers)
        needed = names if self.missing == "stop" else []
        problems = [
            *table.bad_lines,
            *table.problems(names, needed).values(),
            *features.unknown_categories(table, encoded),
        ]
        if problems:
            raise DataError(problems[0] + _and_more(len(problems) - 1))
        return encode(table, encoded, np.arange(len(table.places)))

    def _options(self) -> dict[str, Any]:
        own = ("target", "task", "ignore", "categorical", "encoding", "missing", "on_bad_row", "max_categories")
        return {name: getattr(self, name) for name in (*own, "fractions", "split_seed", "columns", "class_names")}

    def _table(self) -> tuple[TableFile, list[str]]:
        """The file without the rows that are skipped, and lines that say which."""
        if not self.file.is_file():
            read_table(self.file, self.encoding)  # raises
        table = _read(self.file, sha256_of(self.file), self.encoding, self.categorical)
        for name in (*self.ignore, *self.categorical):
            table.column(name)
        target, names = self._target(table), self._names(table)
        problems = table.problems([target, *names], [target, *(names if self.missing == "stop" else [])])
        messages = [*table.bad_lines, *problems.values()]
        if messages and self.on_bad_row == "stop":
            advice = "dataset.on_bad_row=skip leaves out such rows"
            raise DataError(f"{messages[0]}{_and_more(len(messages) - 1)}. {advice}")
        kept = table.without(problems)
        if not kept.places:
            raise DataError(f"{self.file} has no row that can be used: {messages[0]}")
        shown = "; ".join(messages[:SHOWN]) + _and_more(len(messages) - SHOWN)
        total = len(table.places) + len(table.bad_lines)
        return kept, [f"{len(messages)} of {total} rows skipped: {shown}"] if messages else []

    def _target(self, table: TableFile) -> str:
        target = self.target if self.target is not None else list(table.columns)[-1]
        table.column(target)
        if target in self.ignore:
            raise DataError(f"the target {target!r} is in dataset.ignore; set dataset.target")
        return target

    def _names(self, table: TableFile) -> list[str]:
        return [name for name in table.columns if name not in (*self.ignore, self._target(table))]

    def _task(self, table: TableFile) -> Task:
        target = self._target(table)
        cells = table.column(target)
        if self.task == "regression" and cells.dtype == object:
            raise DataError(
                f"{self.file}, column {target!r} has texts such as {cells[0]!r}, which no regression predicts; "
                "set dataset.task=classification"
            )
        if self.task is not None:
            return self.task
        is_classes = cells.dtype == object or (
            bool((cells == np.rint(cells)).all()) and len(np.unique(cells)) <= MOST_CLASSES
        )
        return "classification" if is_classes else "regression"

    def _class_names(self, table: TableFile) -> list[str]:
        names = features.class_names_of(table, self._target(table))
        if self.class_names is not None and (unknown := [name for name in names if name not in self.class_names]):
            raise DataError(f"{self.file} has the class {unknown[0]!r}, which is not in dataset.class_names")
        return self.class_names or names

    def _rows(self, table: TableFile) -> dict[SplitName, Rows]:
        order = np.random.default_rng(self.split_seed).permutation(len(table.places))
        if self._task(table) == "regression":
            return split_rows(order, self.fractions, np.zeros(len(order)))
        names = features.class_names_of(table, self._target(table))
        number = {name: label for label, name in enumerate(names)}
        labels = np.array([number[name] for name in features.class_cells(table.column(self._target(table)))])
        return split_rows(order, self.fractions, labels, names)

    def _columns(self, table: TableFile) -> list[Column]:
        if self.columns is not None:
            return features.from_texts(self.columns)
        return fit_columns(table, self._names(table), self._rows(table)["train"], self.max_categories)

    def _splits(self, table: TableFile, encoded: list[Column]) -> dict[SplitName, Split]:
        cells = table.column(self._target(table))
        if self._task(table) == "regression":
            y = torch.from_numpy(cells.astype(np.float32))
        else:
            number = {name: label for label, name in enumerate(self._class_names(table))}
            y = torch.tensor([number[name] for name in features.class_cells(cells)])
        return {name: Split(encode(table, encoded, rows), y[rows]) for name, rows in self._rows(table).items()}

    def _notes(self, table: TableFile, encoded: list[Column]) -> Iterator[str]:
        """What was done to the values: the task, missing ones, and categories that training does not have."""
        yield f"{self._task(table)} of column {self._target(table)!r}, by {len(encoded)} columns"
        counts = {name: int(is_missing(table.column(name)).sum()) for name in self._names(table)}
        if any(counts.values()):
            listed = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
            yield f"missing values of {len(table.places)} rows, imputed from training: {listed}"
        unknown = [*features.unknown_categories(table, encoded)]
        if unknown:
            yield f"{len(unknown)} texts are no category in training, and all 0: {unknown[0]}"


@functools.lru_cache(maxsize=1)
def _read(path: Path, sha256: str, encoding: str, texts: tuple[str, ...]) -> TableFile:
    """A file with this content, read once by a process."""
    return read_table(path, encoding, texts)


def _and_more(count: int) -> str:
    return f" (and {count} more)" if count > 0 else ""
