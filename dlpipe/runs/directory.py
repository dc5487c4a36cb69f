"""A run's directory: the names in it, and the records that are written and read there."""

import json
import math
import os
from pathlib import Path
from typing import Any

from dlpipe.atomic import atomic_write
from dlpipe.errors import DlpipeError

CONFIG = "config.yaml"
SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
RANKS = "ranks.json"
METRICS = "metrics.csv"
WEIGHTS = "weights.safetensors"
STAGE = "stage.json"  # what a stage that is over came to, beside its checkpoints
CHECKPOINTS = "checkpoints"
BEST = "best.ckpt"
START = "start.ckpt"  # a copy of the weights of another run
FIGURES = "figures"
SAMPLES = "samples"


def best_of(run_dir: Path, stage: str = "") -> Path:
    """The best checkpoint of a stage; of a run without stages, its only one."""
    return run_dir / CHECKPOINTS / stage / BEST


def write_text(path: Path, text: str) -> None:
    """Write a text as `atomic_write` does."""
    with atomic_write(path) as temporary_path:
        temporary_path.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """As `write_text`, for plain containers; a number that is not finite, which JSON has none of, becomes null."""
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _read_json(path: Path, otherwise: Any) -> Any:
    """What a file holds, of the type of what is given for a run that has none."""
    if not path.is_file():
        return otherwise
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DlpipeError(f"{path} is damaged: {error}; take a good copy") from error
    if not isinstance(found, type(otherwise)):
        raise DlpipeError(f"{path} is damaged: it holds a {type(found).__name__}; take a good copy")
    return found


def read_summary(run_dir: Path) -> dict[str, Any]:
    """The summary of a run, empty where it has none; a test metric that `write_json` made null is NaN again."""
    summary: dict[str, Any] = _read_json(run_dir / SUMMARY, {})
    if "test" in summary:
        summary["test"] = {name: math.nan if value is None else value for name, value in summary["test"].items()}
    return summary


def read_finished(run_dir: Path) -> dict[str, Any]:
    """The summary of a finished run.

    Raises:
        DlpipeError: it did not get as far.
    """
    summary = read_summary(run_dir)
    if summary.get("status") != "finished":
        raise DlpipeError(f"{run_dir} is not a finished run: {summary.get('status', f'no {SUMMARY}')}")
    return summary


def read_provenance(run_dir: Path) -> dict[str, Any]:
    """Where a run came from, empty where it has not noted that."""
    found: dict[str, Any] = _read_json(run_dir / PROVENANCE, {})
    return found


def read_ranks(run_dir: Path) -> list[dict[str, Any]]:
    """What the ranks of a run on several devices told of themselves; one that tells nothing for any other run."""
    found: list[dict[str, Any]] = _read_json(run_dir / RANKS, [{}])
    return found


def check_links(run_dir: Path) -> None:
    """Refuse a directory in which a link leads elsewhere: what is written there would change files of others.

    W&B makes links in its own folder, which nothing else writes to.

    Raises:
        DlpipeError: naming the link and where it leads.
    """
    root = run_dir.resolve()
    for folder, names, files in os.walk(run_dir):
        for path in (Path(folder, name) for name in [*names, *files]):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                message = f"{path} is a symlink to {path.resolve()}; refusing to follow it. Remove it and retry"
                raise DlpipeError(message)
        if Path(folder) == run_dir and "wandb" in names:
            names.remove("wandb")
