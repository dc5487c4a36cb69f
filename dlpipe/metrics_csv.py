"""Read metrics.csv, also of a run that is still being trained or was killed."""

import csv
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
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for row in csv.DictReader(text[: text.rfind("\n") + 1].splitlines()):
            for name, value in row.items():
                if value and row[STEP] and name not in (STEP, EPOCH):
                    curves.setdefault(name, []).append((int(row[STEP]) + 1, float(value)))
    except (KeyError, TypeError, ValueError, csv.Error) as error:  # TypeError: more cells than columns
        raise DlpipeError(f"{path} is damaged: {error}; take a good copy") from error
    return curves
