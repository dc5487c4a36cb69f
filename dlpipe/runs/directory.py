"""A run's directory: the names in it, its config, and writing that no interruption leaves half done."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.atomic import atomic_write, create_exclusive
from dlpipe.errors import DlpipeError, RequestError

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


def create_run_directory(directory: Path, cfg: DictConfig) -> None:
    """Make the directory this run's own by writing its config there.

    Raises:
        DlpipeError: it holds a run already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        create_exclusive(directory / CONFIG, OmegaConf.to_yaml(cfg, resolve=True))
    except FileExistsError as error:
        message = f"{directory} holds a run already; choose another directory, or: python -m dlpipe resume {directory}"
        raise DlpipeError(message) from error


def read_config(run_dir: Path) -> DictConfig:
    """The resolved config of a run.

    Raises:
        DlpipeError: the folder is not a run's, or its config is damaged.
    """
    from dlpipe.config.checks import stored  # pydantic: only where there is a config to judge

    path = run_dir / CONFIG
    if not path.is_file():
        raise DlpipeError(f"{run_dir} is not a run's directory: it has no {CONFIG}")
    return relocate_config(stored.read(path), str(run_dir.absolute()))


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


def checked_config(run_dir: Path, check: Callable[[DictConfig], None]) -> DictConfig:
    """The config of a run, once a check has passed it.

    Raises:
        DlpipeError: the folder is not a run's, or the check finds problems, which are told.
    """
    cfg = read_config(run_dir)
    try:
        check(cfg)
    except RequestError as error:
        raise DlpipeError(f"{run_dir / CONFIG} cannot be used here:\n{error}") from error
    return cfg


def relocate_config(config: DictConfig, place: str) -> DictConfig:
    """The config with another directory in place of the one where the run began."""
    before = config.get("output_dir")
    if not before or before == place:
        return config

    def here(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: here(value) for key, value in node.items()}
        if isinstance(node, list):
            return [here(value) for value in node]
        inside = isinstance(node, str) and (node == before or node.startswith(f"{before}/"))
        return place + node[len(before) :] if inside else node

    found: DictConfig = OmegaConf.create(here(OmegaConf.to_container(config)))
    return found
