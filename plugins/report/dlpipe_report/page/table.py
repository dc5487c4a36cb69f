"""Tables of the page, which sort by the numbers and words behind their cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dlpipe.metrics import is_percentage


@dataclass(frozen=True)
class Cell:
    """A cell's text and what it is sorted by; None: behind all others."""

    text: str
    sort: float | str | None = None


EMPTY = Cell("")


@dataclass(frozen=True)
class Row:
    """A row's cells; ``run`` is the number of its run among the page's curves, if it has one there."""

    cells: list[Cell]
    run: int | None = None
    key: str = ""  # equal to that of its line among the parallel coordinates


@dataclass(frozen=True)
class Table:
    """A table with a header; its first column names the row."""

    columns: list[str]
    rows: list[Row] = field(default_factory=list)

    @property
    def numeric(self) -> list[bool]:
        """Whether each column is one of numbers, which are aligned to the right."""
        columns: Sequence[Sequence[Cell]] = [[row.cells[index] for row in self.rows] for index in self._indices]
        return [any(isinstance(cell.sort, float) for cell in cells) and _are_numbers(cells) for cells in columns]

    @property
    def _indices(self) -> range:
        return range(len(self.columns))


def word(text: object) -> Cell:
    """A cell of words, or of a number that is written as one: ``0.1``."""
    try:
        value = float(str(text))
    except ValueError:
        return Cell(str(text), str(text).lower() or None)
    return Cell(str(text), value if math.isfinite(value) else None)


def metric_cell(metric: str, value: float | None, std: float | None = None) -> Cell:
    """A metric's value, perhaps with a deviation; errors in per cent, as the column's title says."""
    if value is None:
        return EMPTY
    scale = 100 if is_percentage(metric) else 1
    deviation = "" if std is None else f" \u00b1 {_digits(scale * std)}"
    return Cell(f"{_digits(scale * value)}{deviation}", float(value) if math.isfinite(value) else None)


def metric_column(metric: str) -> str:
    """The title of a metric's column."""
    return f"{metric} (%)" if is_percentage(metric) else metric


def drop_empty(table: Table) -> Table:
    """The table without columns in which nothing stands."""
    kept = [index for index in range(len(table.columns)) if any(row.cells[index].text for row in table.rows)]
    rows = [Row([row.cells[index] for index in kept], row.run, row.key) for row in table.rows]
    return Table([table.columns[index] for index in kept], rows)


def _digits(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"


def _are_numbers(cells: Sequence[Cell]) -> bool:
    return all(isinstance(cell.sort, float) or not cell.text or cell.text == "NaN" for cell in cells)
