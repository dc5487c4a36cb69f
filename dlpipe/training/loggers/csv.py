"""metrics.csv: the durable record of a run."""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from dlpipe.atomic import atomic_write
from dlpipe.operating_system import sync_descriptor
from dlpipe.runs.directory import LIGHTNING

log = logging.getLogger(__name__)
FIRST = ("step", "epoch")  # columns
EMPTY: dict[str, Any] = {"rows": 0, "last": {}}  # the position of an empty file


class MetricsCsv(Logger):
    """One row a step, on the disk before the call that logs it returns.

    Columns: ``step`` and ``epoch``, then the metrics in the order they first appeared. Both count from 0, as
    Lightning and W&B do: what is logged after update 54, in epoch 1 of the terminal's lines, has step 53 and
    epoch 0. The row of the test stands after the last: its step is the number of updates made. An empty cell is
    a metric that was not logged at that step. An existing file is continued.

    Lightning's CSVLogger keeps rows in memory, and rewrites the file in place when a column is new.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        self.columns = list(FIRST)
        self._last: dict[str, Any] = {}
        self._start = 0  # of the last row in the file
        self._count = 0
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.columns = list(reader.fieldnames or self.columns)
                self._count = sum(1 for _ in reader)

    @property
    def name(self) -> str:
        """The folder of Lightning's own callbacks: they write to ``save_dir/name/version``."""
        return LIGHTNING

    @property
    def version(self) -> str:
        """Empty: a run has one such folder."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run's directory, which a module sees as ``trainer.log_dir``."""
        return str(self.path.parent)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Append a row, or fill empty cells of the last one where the step is the same; then flush to the disk."""
        row = {"step": step} | {name: v.item() if hasattr(v, "item") else v for name, v in metrics.items()}
        new = [name for name in row if name not in self.columns]
        if new or not self.path.exists():
            self._add_columns(new)
        if self._continues_last(row):
            row = self._last | row
        else:
            self._start = self.path.stat().st_size
            self._count += 1
        with self.path.open("r+", newline="", encoding="utf-8") as file:
            file.seek(self._start)
            self._writer(file).writerow(row)
            _flush(file)
        self._last = row

    def position(self) -> dict[str, Any]:
        """How many rows there are, and what the last one says; for `rewind`."""
        return {"rows": self._count, "last": dict(self._last)}

    def rewind(self, position: dict[str, Any]) -> None:
        """Truncate to this `position`, and drop a row that an interruption left incomplete."""
        self._last = dict(position["last"])
        if not position["rows"]:
            self.path.unlink(missing_ok=True)
            self.columns, self._count = list(FIRST), 0
            return
        before = position["rows"] - bool(self._last)
        rows = self._rows()[:before]
        if len(rows) < before:
            log.warning("%s lacks %d of its %d rows", self.path, before - len(rows), position["rows"])
        self.columns += [name for name in self._last if name not in self.columns]
        self._count = len(rows) + bool(self._last)
        self._rewrite([*rows, self._last] if self._last else rows)

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _continues_last(self, row: dict[str, Any]) -> bool:
        """Whether the row has the last row's step and contradicts none of its values."""
        same = self._last.keys() & row.keys()
        return row["step"] is not None and "step" in same and all(self._last[name] == row[name] for name in same)

    def _add_columns(self, new: list[str]) -> None:
        """Rewrite the file with more columns."""
        rows = self._rows()
        self.columns += new
        self._rewrite(rows)

    def _rewrite(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the whole file."""
        with atomic_write(self.path) as temporary_path, temporary_path.open("w", newline="", encoding="utf-8") as file:
            writer = self._writer(file)
            writer.writeheader()
            for row in rows:
                self._start = file.tell()
                writer.writerow(row)

    def _writer(self, file: TextIO) -> "csv.DictWriter[str]":
        return csv.DictWriter(file, self.columns, lineterminator="\n")


def _flush(file: TextIO) -> None:
    file.flush()
    sync_descriptor(file.fileno())
