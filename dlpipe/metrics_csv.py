"""Read metrics.csv, also of a run that is still being trained or was killed."""

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path

from dlpipe.errors import DlpipeError

STEP = "step"
EPOCH = "epoch"
Curves = dict[str, list[tuple[int, float]]]


def read_metrics(path: Path) -> Curves:
    """Metric name to (updates, value) points in the order of the file; none if there is no file.

    A last line without its end, which a run is writing or was killed in, is left out; so are rows without a step.

    Raises:
        DlpipeError: the file is damaged.
    """
    curves: Curves = {}
    with _damage_named(path):
        for row in _rows(path):
            for name, value in row.items():
                if value and name not in (STEP, EPOCH):
                    curves.setdefault(name, []).append((int(row[STEP]) + 1, float(value)))
    return curves


def read_epochs(path: Path) -> list[tuple[int, int]]:
    """The updates before each row and its epoch, counted from 1; raises as `read_metrics` does."""
    with _damage_named(path):
        return [(int(row[STEP]) + 1, int(row[EPOCH]) + 1) for row in _rows(path) if row[EPOCH]]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return (row for row in rows if row[STEP])


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, csv.Error) as error:  # TypeError: more cells than columns
        raise DlpipeError(f"{path} is damaged: {error}; take a good copy") from error
