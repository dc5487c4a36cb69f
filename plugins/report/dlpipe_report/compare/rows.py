"""What of runs is compared: a row a key or metric, with a value for each run."""

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from dlpipe import Run
from dlpipe_report.config_differences import ABSENT, differences

Rows = dict[str, list[Any]]
NUMBERS = ("epochs", "updates", "seconds", "updates_per_second")
PROVENANCE = ("git", "code", "libraries", "data", "start", "machine")


def config_rows(runs: Sequence[Run]) -> Rows:
    """The config keys that differ, without paths in the runs' own directories."""
    configs: list[Any] = [OmegaConf.to_container(run.config, resolve=True) for run in runs]
    folders = [str(config.get("output_dir")) for config in configs]

    def are_own_paths(row: list[Any]) -> bool:
        present = [(value, folder) for value, folder in zip(row, folders, strict=True) if value is not ABSENT]
        return all(isinstance(value, str) and value.startswith(folder) for value, folder in present)

    rows = {key: row for key, row in differences(configs).items() if not are_own_paths(row)}
    groups = list(dict.fromkeys(key.partition(".")[0] for key in rows))
    return dict(sorted(rows.items(), key=lambda item: groups.index(item[0].partition(".")[0])))


def result_rows(runs: Sequence[Run]) -> Rows:
    """Status, best and test metrics, length and speed; None where a run has no such number."""
    rows: Rows = {"status": [run.status for run in runs]}
    for number, run in enumerate(runs):
        summary = run.summary
        best, test = summary.get("best"), summary.get("test", {})
        named = {f"best {best['metric']}": best["value"]} if best else {}
        for name, value in {**named, **test}.items():
            rows.setdefault(name, [None] * len(runs))[number] = value
    return rows | {name: [run.summary.get(name) for run in runs] for name in NUMBERS}


def provenance_rows(runs: Sequence[Run]) -> Rows:
    """Versions, code, data and machine that differ."""
    return differences([{part: run.provenance.get(part) or {} for part in PROVENANCE} for run in runs])


def best_of(name: str, values: Sequence[Any], runs: Sequence[Run]) -> list[bool]:
    """Whether each value is the best of a metric's; none is if all are equal, or if it is unknown which is better."""
    numbers = [value for value in values if isinstance(value, (int, float)) and value == value]
    mode = _mode(name, runs)
    if mode is None or len(set(numbers)) < 2:
        return [False] * len(values)
    best = max(numbers) if mode == "max" else min(numbers)
    return [value == best for value in values]


def _mode(name: str, runs: Sequence[Run]) -> str | None:
    """Min or max: as the runs' best metric or targets of this name say; an error or a loss is minimised."""
    metric = name.rpartition("/")[2]
    for run in runs:
        judged = [run.summary.get("best") or {}, *run.summary.get("targets", [])]
        for entry in judged:
            if entry.get("metric", "").rpartition("/")[2] == metric and "/" in name:
                return str(entry.get("mode", "min"))
    return "min" if metric.endswith(("error", "loss")) else None
