"""A run's directory: the names of its files, and how its JSON files are written and read."""

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

from dlpipe.atomic import atomic_write, check_space
from dlpipe.errors import DlpipeError, system_errors_in_one_line

CONFIG = "config.yaml"
SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
RANKS = "ranks.json"
METRICS = "metrics.csv"
WEIGHTS = "weights.safetensors"
STAGE = "stage.json"  # the result of a finished stage, next to its checkpoints
CHECKPOINTS = "checkpoints"
LIGHTNING = "lightning"  # files of Lightning's own callbacks
BEST = "best.ckpt"
START = "start.ckpt"  # a copy of the weights from init_from
FIGURES = "figures"
SAMPLES = "samples"
PREDICTIONS = "predictions"
FIRST_BYTES = 2**20  # that a small run writes
FIRST_FILES = 20  # as many files and folders as it creates


def best_of(run_dir: Path, stage: str = "") -> Path:
    """The path of a stage's best checkpoint; ``stage`` is empty for a model without stages."""
    return run_dir / CHECKPOINTS / stage / BEST


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path) as temporary_path:
        temporary_path.write_text(text, encoding="utf-8", errors="backslashreplace")  # of file names


def write_json(path: Path, content: Any) -> None:
    """Write plain containers as JSON, atomically; numbers that are not finite, which JSON lacks, become null."""
    write_text(path, json.dumps(finite(content), indent=2, allow_nan=False) + "\n")


def finite(content: Any) -> Any:
    """Plain containers with None for each number that is not finite, which JSON lacks."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _read_json(path: Path, default: Any) -> Any:
    """The content of a JSON file, which must have the type of ``default``; ``default`` if there is no file."""
    if not path.is_file():
        return default
    try:
        with system_errors_in_one_line():
            content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DlpipeError(f"{path} is damaged: {error}; take a good copy") from error
    if not isinstance(content, type(default)):
        raise DlpipeError(f"{path} is damaged: it holds a {type(content).__name__}; take a good copy")
    return content


def read_summary(run_dir: Path) -> dict[str, Any]:
    """The summary of a run, empty if there is none; null test metrics, from `write_json`, become NaN again."""
    summary: dict[str, Any] = _read_json(run_dir / SUMMARY, {})
    if "test" in summary:
        summary["test"] = {name: math.nan if value is None else value for name, value in summary["test"].items()}
    return summary


def has_diverged(run_dir: Path) -> bool:
    """Whether the run was stopped because its numbers were not finite."""
    return bool(read_summary(run_dir).get("status") == "diverged")


def read_finished(run_dir: Path) -> dict[str, Any]:
    """The summary of a finished run.

    Raises:
        DlpipeError: the run is not finished.
    """
    summary = read_summary(run_dir)
    if summary.get("status") != "finished":
        raise DlpipeError(f"{run_dir} is not a finished run: {summary.get('status', f'no {SUMMARY}')}")
    return summary


def read_provenance(run_dir: Path) -> dict[str, Any]:
    """The provenance of a run, empty if there is none."""
    content: dict[str, Any] = _read_json(run_dir / PROVENANCE, {})
    return content


def read_ranks(run_dir: Path) -> list[dict[str, Any]]:
    """What each rank of a run on several devices reported about itself; one empty dict for a run on one device."""
    ranks: list[dict[str, Any]] = _read_json(run_dir / RANKS, [{}])
    return ranks


def check_writable(folder: Path) -> None:
    """Refuse a folder in which a run could not write its first files.

    Raises:
        DlpipeError: names the folder and the reason: a read-only or full file system, or permissions.
    """
    try:
        check_space(folder, FIRST_BYTES, FIRST_FILES)
    except OSError as error:
        advice = (
            "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "use a copy that you may write to"
        )
        raise DlpipeError(f"{folder} cannot be written to: {error.strerror}; {advice}") from error


def check_links(run_dir: Path) -> None:
    """Refuse a run or a sweep with a symlink to outside of its directory: writing there would change files elsewhere.

    Links in a run's folder of W&B are allowed, also in those of a sweep's jobs: only W&B writes there.

    Raises:
        DlpipeError: names the link and its target.
    """
    root = run_dir.resolve()
    for folder, names, files in os.walk(run_dir):
        for path in (Path(folder, name) for name in [*names, *files]):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                message = f"{path} is a symlink to {path.resolve()}; refusing to follow it. Remove it and retry"
                raise DlpipeError(message)
        if "wandb" in names and (Path(folder) == run_dir or CONFIG in files):
            names.remove("wandb")
