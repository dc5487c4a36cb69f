"""One published run: a small JSON file with its summary, thinned curve and provenance."""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlpipe import DlpipeError, Run
from dlpipe_report.results.chapters import chapter_of
from dlpipe_report.results.curve import Curve, thinned

# parts of a request that say where and how it ran, not what
WHERE = ("seed=", "threads=", "resume=", "hydra.", "dataset.directory=", "logger", "~callbacks.progress_bar")
PLAIN = ("model=", "dataset=")
LIBRARIES = ("dlpipe", "torch", "pytorch-lightning", "numpy")
READ = ("model", "dataset", "seed", "status", "stopped_by", "updates", "seconds", "best", "test", "targets", "stages")
MOST_BYTES = 8192  # of a file


@dataclass(frozen=True)
class Record:
    """A published run.

    Args:
        command: as one types it, without the seed, and with RUN for the run that it starts from.
        summary: the content of summary.json.
        curve: metric to (epoch, value) points; None if the run was recorded without its curve.
        provenance: date, versions, machine, git state, checksums of the data.
    """

    command: str
    summary: dict[str, Any]
    curve: Curve | None
    provenance: dict[str, Any]

    @property
    def changes(self) -> list[str]:
        """The overrides beside those that choose model and dataset."""
        return sorted(part for part in self.command.split()[3:] if not part.startswith(PLAIN))

    @property
    def is_plain(self) -> bool:
        """Whether this is the recipe with nothing changed."""
        return not self.changes

    @property
    def name(self) -> str:
        """The file's name: model, dataset, seed and, if the recipe was changed, a checksum of the changes."""
        parts = [str(self.summary[key]).replace("/", "_") for key in ("model", "dataset", "seed")]
        changed = hashlib.sha256(" ".join(self.changes).encode()).hexdigest()[:6]
        return "-".join(parts if self.is_plain else [*parts, changed]) + ".json"

    @property
    def has_curve(self) -> bool:
        """Whether the run was recorded with its curve."""
        return bool(self.curve)

    def value(self, metric: str) -> float | None:
        """The best value of the monitored metric, a test metric, or the last value of another one."""
        best, test = self.summary["best"], self.summary["test"]
        last = (self.curve or {}).get(metric, [(0, None)])[-1][1]
        found = best["value"] if best and best["metric"] == metric else test.get(metric, last)
        return None if found is None or math.isnan(found) else float(found)

    def write(self, folder: Path) -> Path:
        """Write the file; a line for each value of the parts, so that a diff can be read."""
        parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in asdict(self).items()]
        text = "{\n" + ",\n".join(parts) + "\n}\n"
        path = folder / self.name
        if len(text.encode()) > MOST_BYTES:
            raise DlpipeError(f"{path} would have {len(text.encode())} bytes; a record has at most {MOST_BYTES}")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def record_of(name: str) -> Record:
    """The record of a finished run.

    Raises:
        DlpipeError: there is no such run, it is not finished, or its files are damaged.
    """
    run = Run(name)
    if run.status != "finished":
        raise DlpipeError(f"{run.directory} is not a finished run: {run.status}")
    if not run.provenance:
        raise DlpipeError(f"{run.directory} has no provenance.json; take a whole copy of the run")
    asked = [part for part in run.provenance.get("overrides", []) if not part.startswith(WHERE)]
    command = " ".join(["python -m dlpipe", *(re.sub("^init_from=.*", "init_from=RUN", part) for part in asked)])
    kept = {key: run.provenance.get(key) for key in ("started", "machine", "git", "data")}
    libraries = {name: version for name, version in run.provenance["libraries"].items() if name in LIBRARIES}
    summary = {**run.summary, "test": {metric: _or_null(value) for metric, value in run.summary["test"].items()}}
    chapter = chapter_of(summary["model"], summary["dataset"])
    epochs = {(summary["best"] or {}).get("epoch"), *(chapter.curve.points if chapter and chapter.curve else ())}
    return Record(command, summary, thinned(run, epochs), {**kept, "libraries": libraries})


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, by the names of their files.

    Raises:
        DlpipeError: a file is damaged.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> Record:
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        if missing := [key for key in READ if key not in record.summary]:
            raise ValueError(f"its summary has no {', '.join(missing)}")
        return record
    except (OSError, ValueError, TypeError) as error:
        raise DlpipeError(f"{path} is damaged: {error}; make it again with: python -m dlpipe results RUN") from error


def _lines(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    return (
        "{\n"
        + ",\n".join(f"  {json.dumps(key)}: {json.dumps(one, allow_nan=False)}" for key, one in value.items())
        + "\n}"
    )


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None
