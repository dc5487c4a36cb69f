"""Load the weights of a run's checkpoints into a module."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from dlpipe.errors import DlpipeError, format_list
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import best_of, has_diverged
from dlpipe.stages import selected, stages_of


def read_weights(path: Path) -> dict[str, Any]:
    """The state dict in a checkpoint: tensors, and what the module's ``get_extra_state`` gives.

    Raises:
        DlpipeError: the file is missing or cannot be read.
    """
    if not path.is_file():
        raise DlpipeError(f"no checkpoint {path}: the run did not get as far as a validation")
    try:
        return read_checkpoint(path)["state_dict"]  # type: ignore[no-any-return]
    except (DlpipeError, KeyError) as error:
        raise DlpipeError(f"{path} cannot be loaded as plain weights: {error}") from error


def load_stage_weights(model: pl.LightningModule, directory: Path, names: Sequence[str] | None) -> None:
    """Load the best weights that a run has for each stage into the stage's module.

    Args:
        model: the run's model.
        directory: the run's directory.
        names: the stages that the run trained, as in `selected`.

    Raises:
        DlpipeError: the run has no checkpoint of the last stage that it trained; also as `load_weights`.
    """
    stages = stages_of(model)
    last = selected(stages, names)[-1]
    for stage in stages:
        path = best_of(directory, stage.name)
        if path.is_file() or stage is last:
            load_weights(stage.module, path)


def load_latest_weights(model: pl.LightningModule, directory: Path, names: Sequence[str] | None) -> bool:
    """Load the weights that a run has so far for each stage, see `latest_of`; raises as `load_weights` does.

    Returns:
        Whether there are some of the last stage that the run trains, by ``names`` as in `load_stage_weights`.
    """
    stages = stages_of(model)
    paths = {stage.name: latest_of(directory, stage.name) for stage in stages}
    for stage in stages:
        if path := paths[stage.name]:
            load_weights(stage.module, path)
    return paths[selected(stages, names)[-1].name] is not None


def latest_of(directory: Path, stage: str = "") -> Path | None:
    """A stage's best checkpoint so far, else its last one; not that of a run that diverged, and None without any."""
    best = best_of(directory, stage)
    last = best.with_name("last.ckpt")
    paths = [best] if has_diverged(directory) else [best, last]
    return next((path for path in paths if path.is_file()), None)


def load_weights(model: pl.LightningModule, path: Path) -> None:
    """Load the weights of a checkpoint into a module.

    Raises:
        DlpipeError: the weights are another model's: names or shapes differ.
    """
    weights, expected = read_weights(path), model.state_dict()
    mismatched = sorted(expected.keys() ^ weights.keys())
    mismatched += [name for name in expected.keys() & weights.keys() if _shape(expected[name]) != _shape(weights[name])]
    if mismatched:
        raise DlpipeError(
            f"{path} holds the weights of another model: {format_list(mismatched)} differ in name or shape"
        )
    model.load_state_dict(weights)


def _shape(value: Any) -> torch.Size | None:
    """None for extra state, which is no tensor."""
    return value.shape if isinstance(value, torch.Tensor) else None
