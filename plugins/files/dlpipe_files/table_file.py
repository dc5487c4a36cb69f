"""The rows and columns of a CSV or Parquet file."""

import csv
import io
import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlpipe import DataError
from dlpipe.data import READ_ERRORS, open_content
from dlpipe.did_you_mean import did_you_mean
from dlpipe_files.config_text import check_text

SEPARATORS = ",;\t|"
# as in pandas.read_csv, and the question mark of the UCI repository
MISSING = ("", "#N/A", "-nan", "-NaN", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "<NA>", "?")
FEW = 0.1  # a column with at most this share of texts is one of numbers with mistakes
PARQUET = b"PAR1"
Cells = NDArray[Any]  # (rows,): float64 with NaN for missing, or str with None for missing


@dataclass(frozen=True)
class TableFile:
    """The columns of a file by name, and what is wrong with some of its rows."""

    path: Path
    columns: dict[str, Cells]
    places: list[str]  # where each row stands, such as "line 7"
    bad_cells: dict[tuple[int, str], str]  # by row, from 0, and column: what is wrong
    bad_lines: list[str]  # of rows that are in no column, because they have another number of cells

    def column(self, name: str) -> Cells:
        """The cells of a column; a DataError if there is none of this name."""
        if name not in self.columns:
            hint = did_you_mean(name, self.columns)
            raise DataError(f"{self.path} has no column {name!r}; {hint}it has {', '.join(self.columns)}")
        return self.columns[name]

    def cell(self, row: int, name: str) -> str:
        """Where a cell is, for a message."""
        return f"{self.path}, {self.places[row]}, column {name!r}"

    def problems(self, names: Collection[str], needed: Collection[str]) -> dict[int, str]:
        """By row, what is wrong in the columns ``names``, and the first missing value in the columns ``needed``."""
        found = {
            row: f"{self.cell(row, name)}: {what}" for (row, name), what in self.bad_cells.items() if name in names
        }
        for name in needed:
            for row in np.flatnonzero(is_missing(self.column(name))).tolist():
                found.setdefault(row, f"{self.cell(row, name)}: the value is missing")
        return dict(sorted(found.items()))

    def without(self, rows: Collection[int]) -> "TableFile":
        """The table without some rows."""
        kept = np.setdiff1d(np.arange(len(self.places)), [*rows])
        columns = {name: cells[kept] for name, cells in self.columns.items()}
        return replace(self, columns=columns, places=[self.places[row] for row in kept], bad_cells={})


def is_missing(cells: Cells) -> NDArray[np.bool_]:
    """(rows,)."""
    if cells.dtype != object:
        return np.isnan(cells)
    return np.array([cell is None for cell in cells], dtype=bool)


def read_table(path: Path, encoding: str, texts: Collection[str] = (), numbers: Collection[str] = ()) -> TableFile:
    """Read a table, and find out which columns are numbers.

    Args:
        path: a CSV file, whose separator is recognised, compressed or not; or a Parquet file.
        encoding: of a CSV file.
        texts: columns that are text, whatever they hold.
        numbers: columns that are numbers; a text in them makes a bad row.

    Raises:
        DataError: the file cannot be read, or has no header.
    """
    if not path.is_file():
        if path.is_dir():
            raise DataError(f"{path} is a folder; name a file in it")
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"no file {path}; {did_you_mean(path.name, siblings)}".rstrip("; "))
    try:
        with open_content(path) as file:
            content = file.read()
    except READ_ERRORS as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not content.strip():
        raise DataError(f"{path} is empty: it has {len(content)} bytes")
    is_parquet = content.startswith(PARQUET) or path.suffix.lower() == ".parquet"
    table = _parquet(path, content, texts) if is_parquet else _csv(path, content, encoding, texts, numbers)
    for name in table.columns:
        check_text(name, f"a column of {path}")
    return table


def _csv(path: Path, content: bytes, encoding: str, texts: Collection[str], numbers: Collection[str]) -> TableFile:
    text = _decoded(path, content, encoding)
    separator = max(SEPARATORS, key=text.partition("\n")[0].count)
    rows, places, bad_lines = [], [], []
    lines = _lines(path, text, separator)
    _, header = next(lines)
    names = _column_names(path, header)
    for line, row in lines:
        if len(row) == len(names):
            rows.append(row)
            places.append(f"line {line}")
        elif row:
            bad_lines.append(f"{path}, line {line} has {len(row)} cells, and the header {len(names)}")
    if not rows:
        raise DataError(bad_lines[0] if bad_lines else f"{path} has a header and no rows")
    table = TableFile(path, {}, places, {}, bad_lines)
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        kind = "text" if name in texts else "number" if name in numbers else None
        table.columns[name], bad = _typed(name, [cell.strip() for cell in cells], kind)
        table.bad_cells.update({(row, name): what for row, what in bad.items()})
    return table


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")  # Excel begins a file with a byte order mark
    except LookupError as error:
        raise DataError(f"dataset.encoding={encoding} is no encoding that Python knows") from error
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content.count(b"\n", 0, start) + 1
        other = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        raise DataError(
            f"{path}, line {line} is no {encoding}: byte 0x{content[start]:02x}; save the file as UTF-8, "
            f"or set dataset.encoding={other}"
        ) from error


def _lines(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the last line of each row, and its cells."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} is no CSV: {error}") from error


def _column_names(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if repeated := [name for name, count in Counter(names).items() if count > 1 and name]:
        raise DataError(f"{path} has the column {repeated[0]!r} {names.count(repeated[0])} times; rename one of them")
    if all(_is_number(name) for name in names):
        raise DataError(
            f"{path} begins with numbers ({', '.join(names[:3])}, ...): add a row of column names above them"
        )
    if "" in names:
        raise DataError(
            f"{path}, column {names.index('') + 1} has no name: name it, or write the file without it "
            "(pandas: to_csv(index=False))"
        )
    if len(names) < 2:
        raise DataError(f"{path} has one column, {names[0]!r}; expected several, separated by one of , ; | and tab")
    return names


def _typed(name: str, cells: list[str], kind: str | None) -> tuple[Cells, dict[int, str]]:
    """The cells as numbers or as texts, and those that are wrong by row."""
    text = np.array([None if cell in MISSING else cell for cell in cells], dtype=object)
    present = np.array([cell is not None for cell in text])
    numbers = pd.to_numeric(pd.Series(text, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    no_numbers = np.flatnonzero(present & np.isnan(numbers))
    if kind == "text" or (kind is None and len(no_numbers) > FEW * present.sum()):
        return text, {}
    bad = {
        int(row): f"{text[row]!r} is no number, as the others are; correct it, or set dataset.categorical=[{name}]"
        for row in no_numbers
    }
    return numbers, bad | _infinite(numbers)


def _infinite(numbers: Cells) -> dict[int, str]:
    return {int(row): f"{numbers[row]} is not finite" for row in np.flatnonzero(np.isinf(numbers))}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _parquet(path: Path, content: bytes, texts: Collection[str]) -> TableFile:
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # pyarrow raises many types for damaged files
        message = " ".join(str(error).split())
        raise DataError(f"{path} is truncated, damaged or no Parquet file: {message}") from error
    names = [str(name) for name in frame.columns]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{path} has the column {repeated[0]!r} {names.count(repeated[0])} times; rename one of them")
    if not len(frame):
        raise DataError(f"{path} has no rows")
    places = [f"row {row + 1}" for row in range(len(frame))]
    table = TableFile(path, {}, places, {}, [])
    for name, (_, series) in zip(names, frame.items(), strict=True):
        table.columns[name] = cells = _cells(path, name, series, name in texts)
        if cells.dtype != object:
            table.bad_cells.update({(row, name): what for row, what in _infinite(cells).items()})
    return table


def _cells(path: Path, name: str, series: Any, is_text: bool) -> Cells:
    """A column of a DataFrame as numbers or as texts."""
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series) and not is_text:
        return np.asarray(series.to_numpy(np.float64, na_value=np.nan))
    missing = series.isna().to_numpy()
    kinds = {type(value) for value, absent in zip(series, missing, strict=True) if not absent}
    if not all(issubclass(kind, (str, bool, np.bool_, int, float, np.number)) for kind in kinds):
        held = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"{path}, column {name!r} holds {held}, not numbers or texts; set dataset.ignore=[{name}]")
    return np.array([None if absent else str(v) for v, absent in zip(series, missing, strict=True)], dtype=object)
