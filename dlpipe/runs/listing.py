"""The runs below a folder, newest first, read without torch: from each run's summary.json, or its config's text."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dlpipe.errors import DlpipeError
from dlpipe.runs.directory import CONFIG, read_summary

OUTPUTS = "outputs"
LAST = "last"
UNFINISHED = "unfinished"  # the status of a run without a summary: it is training, or was killed
SHOWN = 5  # runs that a message lists
# a run without a summary is running or was killed; parsing its YAML would take as long as reading 100 summaries
NAME = re.compile(r"^(model|dataset):\n(?:  .*\n)*?  name: (.*)$", re.MULTILINE)
SEED = re.compile(r"^seed: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class ListedRun:
    """One run; ``status`` is finished, interrupted, diverged, failed, or unfinished if there is no summary."""

    path: Path
    model: str
    dataset: str
    status: str
    started: datetime
    best: dict[str, Any] | None  # metric, value, update, epoch, mode
    test: dict[str, float]
    seed: int | None
    seconds: float | None  # of training; None if the run has not ended

    def __str__(self) -> str:
        return f"{self.path}  model={self.model} dataset={self.dataset}  {self.status}"


def runs(folder: str | Path = OUTPUTS) -> list[ListedRun]:
    """The runs below a folder, newest first, with the jobs of sweeps; empty if there is no such folder."""
    return [_read(path, started) for path, started in _paths(Path(folder))]


def find_run(name: str, outputs: str | Path = OUTPUTS) -> Path:
    """The directory that a command's RUN names; ``last`` is the latest run below ``outputs``.

    Raises:
        DlpipeError: there is no such directory; lists the latest runs.
    """
    path = Path(name)
    if name == LAST and not path.exists():
        latest = _paths(Path(outputs))
        if not latest:
            raise DlpipeError(f"{LAST}: there are no runs below {outputs}/")
        return latest[0][0]
    if path.exists():
        return path
    latest_runs = [_read(*found) for found in _paths(Path(outputs))[:SHOWN]]
    known = "".join(f"\n  {run}" for run in latest_runs)
    latest_are = f"The latest runs below {outputs}/, of which {LAST} is the first:{known}" if known else ""
    no_runs = f"There are no runs below {outputs}/"
    raise DlpipeError(f"{name} is not a run's directory: it does not exist. {latest_are or no_runs}")


def _paths(folder: Path) -> list[tuple[Path, float]]:
    """Each run's directory and the time at which its config was written, newest first."""
    return sorted(_walk(folder), key=lambda found: (found[1], str(found[0])), reverse=True)


def _walk(folder: Path) -> Iterator[tuple[Path, float]]:
    for current, folders, files in os.walk(folder):
        if CONFIG in files:
            yield Path(current), Path(current, CONFIG).stat().st_mtime
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]  # .hydra has a config.yaml too


def _read(path: Path, started: float) -> ListedRun:
    try:
        summary = read_summary(path)
        if best := summary.get("best"):
            _ = best["metric"], best["value"]
    except (DlpipeError, AttributeError, TypeError, KeyError):  # not JSON, or changed by hand
        summary = {"status": "damaged"}
    if not {"model", "dataset", "seed"} <= summary.keys():
        summary = _in_config(path / CONFIG) | summary
    return ListedRun(
        path,
        str(summary.get("model", "unknown")),
        str(summary.get("dataset", "unknown")),
        str(summary.get("status", UNFINISHED)),
        datetime.fromtimestamp(started),
        summary.get("best"),
        summary.get("test", {}),
        summary.get("seed"),
        summary.get("seconds"),
    )


def _in_config(config: Path) -> dict[str, Any]:
    """The names of model and dataset, and the seed, in the text of a config."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    seed = SEED.search(text)
    return {**dict(NAME.findall(text)), "seed": int(seed[1]) if seed else None}
