"""A run that has ended, opened again: its config, its module with the best weights, its data."""

from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from dlpipe.config.checks.import_checks import check_parts
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.data.minibatches import Shard
from dlpipe.runs.directory import checked_config, read_ranks
from dlpipe.runs.weights import load_stage_weights
from dlpipe.training.build import build_dataset, build_model_seeded


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
        if isinstance(data, InMemoryDataModule):  # evaluation may be cut to whole minibatches of all devices
            data.shard = Shard(0, len(read_ranks(self.directory)))
        data.prepare_data()
        data.setup("test")
        return data


def open_run(run_dir: str | Path) -> FinishedRun:
    """Open a run's directory; the module has the run's best weights and is in evaluation mode.

    Raises:
        DlpipeError: the folder is no run's, the run did not get as far as a checkpoint, or the checkpoint is another
            model's; or its config is not one that its model and dataset take, as where their plugin is not installed.
    """
    directory = Path(run_dir)
    cfg = checked_config(directory, check_parts)
    if "threads" in cfg:
        torch.set_num_threads(cfg.threads)
    model = build_model_seeded(cfg)
    load_stage_weights(model, directory, cfg.get("stages"))
    return FinishedRun(directory, cfg, model.eval())


def load(run_dir: str | Path) -> pl.LightningModule:
    """The module of a run with its best weights, in evaluation mode; raises as `open_run` does."""
    return open_run(run_dir).model
