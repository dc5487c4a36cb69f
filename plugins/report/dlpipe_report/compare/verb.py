"""``python -m dlpipe compare RUN RUN``; nothing imports torch."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from dlpipe import DlpipeError, Run, Sweep
from dlpipe.metrics import format_value
from dlpipe_report.compare.rows import Rows, best_of, config_rows, provenance_rows, result_rows
from dlpipe_report.config_differences import ABSENT, as_text

WIDEST = 60  # characters of a value
DIGITS_OF_HASH = 12


def compare(words: list[str]) -> None:
    """Compare runs: config keys that differ, metrics side by side, and other versions or machines."""
    arguments = _parser().parse_args(words)
    for name in filter(Sweep.is_at, arguments.runs):
        raise DlpipeError(f"{name} is a sweep; give the directories of its jobs, or see {name}/sweep.csv")
    if len(arguments.runs) < 2:
        raise DlpipeError(f"compare takes two runs or more; there is only {arguments.runs[0]}")
    runs = [Run(name) for name in arguments.runs]
    config, results, provenance = config_rows(runs), result_rows(runs), provenance_rows(runs)
    if arguments.json:
        parts = {"config": config, "results": results, "provenance": provenance}
        named = {part: {key: list(map(_plain, row)) for key, row in rows.items()} for part, rows in parts.items()}
        print(json.dumps({"runs": [str(run.directory) for run in runs], **named}, indent=2, allow_nan=False))
        return
    for number, name in enumerate(arguments.runs, 1):
        print(f"run {number}: {name}")
    _print("config keys that differ", config, runs, lambda key, row: list(map(as_text, row)))
    _print("results, the best marked with *", results, runs, lambda name, row: _result_cells(name, row, runs))
    _print("versions, data and machine that differ", provenance, runs, lambda key, row: _short(row))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dlpipe compare", description=compare.__doc__, allow_abbrev=False)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="the directory of a run; last: the latest in outputs/")
    parser.add_argument("--json", action="store_true", help="print an object: runs, config, results, provenance")
    return parser


def _plain(value: Any) -> Any:
    """A value for JSON, which has null for a key that a run lacks and for NaN."""
    return None if value is ABSENT or value != value else value


def _result_cells(name: str, row: list[Any], runs: Sequence[Run]) -> list[str]:
    best = best_of(name, row, runs)
    return [_result(name, value) + " *" * mark for value, mark in zip(row, best, strict=True)]


def _result(name: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return str(value)
    return format_value(name, value) if "/" in name else f"{value:.1f}"


def _short(row: list[Any]) -> list[str]:
    """The values, with the first digits of a checksum or commit."""
    texts = map(as_text, row)
    return [text[:DIGITS_OF_HASH] if len(text) in (40, 64) and text.isalnum() else text for text in texts]


def _print(title: str, rows: Rows, runs: Sequence[Run], cells: Callable[[str, list[Any]], list[str]]) -> None:
    """A table with a column for each run."""
    print(f"\n{title}:{'' if rows else ' none'}")
    if not rows:
        return
    header = ["", *(f"run {number}" for number in range(1, len(runs) + 1))]
    table = [header, *([key, *map(_cut, cells(key, row))] for key, row in rows.items())]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
