"""List the latest runs: model, dataset, seed, status, best and test metric, duration."""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dlpipe.cli.verbs import FILTERS
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import DlpipeError, Problem, RequestError, format_list
from dlpipe.metrics import format_value
from dlpipe.runs.directory import finite
from dlpipe.runs.listing import OUTPUTS, ListedRun, runs

DEFAULT_COUNT = 20
UNITS = (("h", 3600), ("min", 60), ("s", 1))
HEADER = ("run", "model", "dataset", "seed", "status", "best", "test", "duration")


def main(arguments: argparse.Namespace) -> int:
    """Print a table, or with --json a list of objects; no file but the runs' own is read, and torch not imported."""
    folder, wanted = _folder_and_filters(arguments.words)
    found = runs(folder)
    chosen = [run for run in found if all(_has(run, key, value) for key, value in wanted.items())]
    chosen.sort(key=SORT_KEYS[arguments.sort])
    if arguments.json:
        print(json.dumps([_plain(run) for run in chosen[: arguments.count]], indent=2, allow_nan=False))
    elif chosen:
        _print_table(chosen, arguments.count or DEFAULT_COUNT)
    else:
        print(_reason_for_none(folder, found, wanted))
    return 0


def _folder_and_filters(words: list[str]) -> tuple[Path, dict[str, str]]:
    """The folder, which may have a = in its name, and the value that each key must have."""
    folders = [word for word in words if "=" not in word or Path(word).is_dir()]
    if len(folders) > 1:
        raise RequestError([Problem("runs", f"takes one DIR; there are {format_list(folders)}")])
    if folders and not Path(folders[0]).is_dir():
        raise DlpipeError(f"{folders[0]}: no such folder; give one that has runs (default: {OUTPUTS})")
    wanted = {key: value for key, _, value in (word.partition("=") for word in words if word not in folders)}
    if unknown := [key for key in wanted if key not in FILTERS]:
        near = did_you_mean(unknown[0], FILTERS)
        raise RequestError([Problem(unknown[0], f"runs are not chosen by it; {near}choose by {format_list(FILTERS)}")])
    return Path(*folders or [OUTPUTS]), wanted


def _has(run: ListedRun, key: str, value: str) -> bool:
    return str(getattr(run, key)) in value.split(",")


def _reason_for_none(folder: Path, found: list[ListedRun], wanted: dict[str, str]) -> str:
    if not found:
        return f"there are no runs below {folder}/"
    here = [f"{key} {format_list(sorted({str(getattr(run, key)) for run in found}))}" for key in wanted]
    asked = " ".join(f"{key}={value}" for key, value in wanted.items())
    return f"no run below {folder}/ has {asked}; they have {'; '.join(here)}"


def _test(run: ListedRun) -> tuple[str, float] | None:
    """The test metric of the best metric's name; without one, the first."""
    same = f"test/{run.best['metric'].rpartition('/')[2]}" if run.best else ""
    name = same if same in run.test else next(iter(run.test), None)
    return (name, run.test[name]) if name else None


def _best(run: ListedRun) -> tuple[str, float] | None:
    return (run.best["metric"], run.best["value"]) if run.best else None


def _best_first(metric: tuple[str, float] | None, run: ListedRun) -> tuple[bool, str, float]:
    """Order runs by a metric of one name, the best first; those without a number last."""
    if metric is None or metric[1] is None or math.isnan(metric[1]):
        return True, "", 0.0
    sign = -1 if run.best and run.best.get("mode") == "max" else 1
    return False, metric[0], sign * metric[1]


# the runs come newest first, which stays the order of equal ones
SORT_KEYS: dict[str, Callable[[ListedRun], Any]] = {
    "started": lambda run: -run.started.timestamp(),
    "best": lambda run: _best_first(_best(run), run),
    "test": lambda run: _best_first(_test(run), run),
    "duration": lambda run: -(run.seconds or 0.0),
    "model": lambda run: (run.model, run.dataset),
}


def _plain(run: ListedRun) -> Any:
    return finite(
        {
            **vars(run),
            "path": str(run.path),
            "started": run.started.astimezone().isoformat(timespec="seconds"),
        }
    )


def _print_table(chosen: list[ListedRun], count: int) -> None:
    rows = [_row(run) for run in chosen[:count]]
    lines = _aligned([HEADER, *rows])
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if width and max(map(len, lines)) > width:  # the path, which one copies, on a line of its own
        below = [line[: width - 2] for line in _aligned([row[1:] for row in (HEADER, *rows)])]
        lines = [f"{path}\n  {line}" for path, line in zip([HEADER[0], *(row[0] for row in rows)], below, strict=True)]
    print(*lines, sep="\n")
    if len(chosen) > count:
        print(f"{count} of {len(chosen)} runs; -n {len(chosen)} lists all")


def _row(run: ListedRun) -> tuple[str, ...]:
    seed = "" if run.seed is None else str(run.seed)
    numbers = _metric(_best(run)), _metric(_test(run)), _duration(run.seconds)
    return (str(run.path), run.model, run.dataset, seed, run.status, *numbers)


def _metric(metric: tuple[str, float] | None) -> str:
    if metric is None:
        return ""
    name, value = metric
    return f"{name} {format_value(name, math.nan if value is None else value)}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, length = next((unit, length) for unit, length in UNITS if seconds >= length or length == 1)
    return f"{seconds / length:.1f} {unit}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
