"""A run that has ended, opened again: its config, its module with the best weights, its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from dlpipe.build import build_dataset, build_model
from dlpipe.checkpoint_file import read_checkpoint
from dlpipe.data import TensorDataModule
from dlpipe.data.minibatches import Part
from dlpipe.errors import DlpipeError, listed
from dlpipe.run_directory import best_of, read_config, read_ranks
from dlpipe.stages.stage import selected, stages_of


@dataclass(frozen=True)
class FinishedRun:
    """What a verb that uses a run needs of it."""

    directory: Path
    cfg: DictConfig
    model: pl.LightningModule

    def data(self) -> pl.LightningDataModule:
        """The run's dataset, found and loaded for testing.

        Raises:
            DataError: it is not here any more, or damaged.
        """
        data = build_dataset(self.cfg.dataset)
        if isinstance(data, TensorDataModule):  # whole minibatches, to which evaluation may be cut, are of all devices
            data.part = Part(0, len(read_ranks(self.directory)))
        data.prepare_data()
        data.setup("test")
        return data


def open_run(run_dir: str | Path) -> FinishedRun:
    """Open a run's directory; the module has the run's best weights and is in evaluation mode.

    Raises:
        DlpipeError: the folder is no run's, the run did not get as far as a checkpoint, or the checkpoint is another
            model's.
        PluginError: the plugin of its model is not installed or broken.
    """
    directory = Path(run_dir)
    cfg = read_config(directory)
    if "threads" in cfg:
        torch.set_num_threads(cfg.threads)
    model = build_model(cfg.model)
    fill_stages(model, directory, cfg.get("stages"))
    return FinishedRun(directory, cfg, model.eval())


def load(run_dir: str | Path) -> pl.LightningModule:
    """The module of a run with its best weights, in evaluation mode; raises as `open_run` does."""
    return open_run(run_dir).model


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


def fill_stages(model: pl.LightningModule, directory: Path, names: Sequence[str] | None) -> None:
    """Give the module of every stage the best weights that a run has of it.

    Args:
        model: the whole.
        directory: of the run.
        names: of the stages that it trained, as in `selected`.

    Raises:
        DlpipeError: the run has none of the stage that it trained last; and as `fill` does.
    """
    stages = stages_of(model)
    last = selected(stages, names)[-1]
    for stage in stages:
        path = best_of(directory, stage.name)
        if path.is_file() or stage is last:
            fill(stage.module, path)


def fill(model: pl.LightningModule, path: Path) -> None:
    """Give the module the weights of a checkpoint.

    Raises:
        DlpipeError: they are another model's: names or shapes differ.
    """
    weights, own = read_weights(path), model.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if wrong:
        raise DlpipeError(f"{path} holds the weights of another model: {listed(wrong)} differ in name or shape")
    model.load_state_dict(weights)
