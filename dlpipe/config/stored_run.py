"""Open a finished run: its config, its module with the best weights, its data."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from dlpipe.config.prepare import prepare_model
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.data.minibatches import Shard
from dlpipe.errors import DlpipeError, RequestError
from dlpipe.runs.best_weights import load_stage_weights
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import CONFIG, read_ranks
from dlpipe.training.build import build_dataset
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.trainer import build_evaluation_trainer


@dataclass(frozen=True)
class StoredRun:
    """A run for the commands that evaluate it."""

    directory: Path
    config: DictConfig
    model: pl.LightningModule  # with the run's best weights, in evaluation mode and in the run's precision
    trainer: pl.Trainer  # evaluates like the run

    def data(self) -> pl.LightningDataModule:
        """The run's dataset, prepared and set up for testing; a DataError if it is missing or damaged."""
        data = build_dataset(self.config.dataset)
        # eval_drop_last drops a different remainder for each number of devices
        if isinstance(data, InMemoryDataModule):
            data.shard = Shard(0, len(read_ranks(self.directory)))
        data.prepare_data()
        data.setup("test")
        return data

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Disable gradients and apply the run's precision to operations, not to inputs."""
        with torch.inference_mode(), self.trainer.precision_plugin.forward_context():
            yield


def open_run(run_dir: str | Path) -> StoredRun:
    """Open a run's directory; the module has the run's best weights and is in evaluation mode.

    A DlpipeError says that it is not a run's, has no checkpoint or one of another model, or has an invalid config.
    """
    run = open_without_weights(run_dir)
    load_stage_weights(run.model, run.directory, run.config.get("stages"))
    return run


def open_without_weights(run_dir: str | Path) -> StoredRun:
    """Open a run's directory as `open_run`, which may have no checkpoint yet; the module has its initial weights."""
    directory = Path(run_dir)
    config = read_config(directory)
    if "threads" in config:
        torch.set_num_threads(config.threads)
    with config_errors(directory):
        model = prepare_model(config)
    with quiet_lightning():
        trainer = build_evaluation_trainer(config)
    trainer.precision_plugin.convert_module(model)  # in place, before loading the weights, which are in this precision
    return StoredRun(directory, config, model.eval(), trainer)


def load(run_dir: str | Path) -> pl.LightningModule:
    """The module of a run with its best weights, in evaluation mode.

    Raises:
        DlpipeError: the directory is not a run's, or has no checkpoint, one of another model, or an invalid config.
    """
    return open_run(run_dir).model


@contextlib.contextmanager
def config_errors(directory: Path) -> Iterator[None]:
    """Raise the problems of a request as a DlpipeError about the config in a run's directory."""
    try:
        yield
    except RequestError as error:
        raise DlpipeError(f"{directory / CONFIG} cannot be used here:\n{error}") from error
