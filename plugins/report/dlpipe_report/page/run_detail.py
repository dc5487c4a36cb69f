"""What the page shows of one run alone: pictures, the confusion matrix, its config, provenance and log."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import dlpipe
from dlpipe_report.config_differences import as_text
from dlpipe_report.page.classified_test_set import classified_test_set
from dlpipe_report.page.confusion import Confusion, confusion_of
from dlpipe_report.page.defaults import changed_from_defaults
from dlpipe_report.page.pictures import Picture, is_inside, pictures_of
from dlpipe_report.page.run_view import RunView, damage_named, key_numbers, stages_table, targets_table
from dlpipe_report.page.table import Table

LOG = "dlpipe.log"
FIRST_LINES, LAST_LINES = 100, 400  # of the log
MAX_LINE = 500  # characters
MATRIX = "figures/confusion_matrix"
VERSIONS = ("libraries", "plugins", "code")
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class RunDetail:
    """All of it; a text in place of a part says why that is left out."""

    numbers: list[tuple[str, str, str]]
    targets: Table
    stages: Table
    confusion: Confusion | str
    pictures: list[Picture]
    pictures_left_out: list[str]
    changes: list[tuple[str, str, str]] | str  # key, value, default
    config: str
    provenance: Pairs
    versions: dict[str, Pairs]
    log: str


def detail_of(run: dlpipe.Run, view: RunView) -> RunDetail:
    """Read a run's files; its test set is classified if that was not kept."""
    tested = classified_test_set(run)
    config = run.config  # read and checked at each access
    names = [str(name) for name in config.get("dataset", {}).get("class_names") or []]
    confusion = tested if isinstance(tested, str) else confusion_of(tested, names)
    pictures, left_out = pictures_of(run.directory)
    if not isinstance(confusion, str):
        pictures = [picture for picture in pictures if picture.name != MATRIX]
    changes = changed_from_defaults(config)
    provenance = run.provenance
    with damage_named(run.directory):
        versions = {
            part: [(key, str(value)) for key, value in provenance.get(part, {}).items()]
            for part in VERSIONS
            if part in provenance
        }
        return RunDetail(
            key_numbers(view),
            targets_table(view),
            stages_table(view),
            confusion,
            pictures,
            left_out,
            changes
            if isinstance(changes, str)
            else [(key, as_text(own), as_text(other)) for key, (own, other) in changes.items()],
            OmegaConf.to_yaml(config),
            provenance_rows(run.directory, provenance),
            versions,
            read_log(run.directory),
        )


def provenance_rows(directory: Path, provenance: dict[str, Any]) -> Pairs:
    """Where the run is and where it comes from, but for the versions."""
    rows = [("directory", str(directory)), ("started", str(provenance.get("started", "")))]
    rows.append(("command", shlex.join(map(str, provenance.get("command", [])))))
    git = provenance.get("git")
    if git:
        rows.append(("git", f"{git.get('commit')}{', modified' if git.get('modified') else ''}"))
    rows += [(key, as_text(value)) for key, value in provenance.get("machine", {}).items()]
    rows += [(f"sha256 of {name}", str(digest)) for name, digest in provenance.get("data", {}).items()]
    rows += [
        (f"weights at the start of {name or 'the run'}", str(d)) for name, d in provenance.get("start", {}).items()
    ]
    return [(key, value) for key, value in rows if value]


def read_log(directory: Path) -> str:
    """The log's first and last lines; empty without a log."""
    path = directory / LOG
    if not path.is_file() or not is_inside(path, directory):
        return ""
    lines = [line[:MAX_LINE] for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    between = len(lines) - FIRST_LINES - LAST_LINES
    if between > 0:
        lines[FIRST_LINES:-LAST_LINES] = [f"... {between:,} lines left out ..."]
    return "\n".join(lines)
