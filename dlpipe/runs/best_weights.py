"""The best weights that a run has, given to a module."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch

from dlpipe.errors import DlpipeError, format_list
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import best_of
from dlpipe.stages import selected, stages_of


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a checkpoint, loaded as tensors and plain containers only.

    Raises:
        DlpipeError: there is none, or it cannot be read.
    """
    if not path.is_file():
        raise DlpipeError(f"no checkpoint {path}: the run did not get as far as a validation")
    try:
        return read_checkpoint(path)["state_dict"]  # type: ignore[no-any-return]
    except (DlpipeError, KeyError) as error:
        raise DlpipeError(f"{path} cannot be loaded as plain weights: {error}") from error


def load_stage_weights(model: pl.LightningModule, directory: Path, names: Sequence[str] | None) -> None:
    """Give the module of every stage the best weights that a run has of it.

    Args:
        model: the whole.
        directory: of the run.
        names: of the stages that it trained, as in `selected`.

    Raises:
        DlpipeError: the run has none of the stage that it trained last; and as `load_weights` does.
    """
    stages = stages_of(model)
    last = selected(stages, names)[-1]
    for stage in stages:
        path = best_of(directory, stage.name)
        if path.is_file() or stage is last:
            load_weights(stage.module, path)


def load_weights(model: pl.LightningModule, path: Path) -> None:
    """Give the module the weights of a checkpoint.

    Raises:
        DlpipeError: they are another model's: names or shapes differ.
    """
    weights, own = read_weights(path), model.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if wrong:
        raise DlpipeError(f"{path} holds the weights of another model: {format_list(wrong)} differ in name or shape")
    model.load_state_dict(weights)
