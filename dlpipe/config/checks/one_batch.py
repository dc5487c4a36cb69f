"""Train each stage on one minibatch, validate on one, and write a checkpoint and read it back, on a copy of the model.

A shape that does not fit, or state that a checkpoint cannot hold, is found now instead of in the middle of a run.
Nothing of the run changes: the copy, its callbacks and its Trainer are built as in the run and thrown away, files go to
a temporary folder, and the random number generators are as they were.
"""

import contextlib
import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, open_dict
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.seed import isolate_rng

from dlpipe.config.checks.optimizer import needs_full_batch
from dlpipe.config.checks.trainer import trainer_of
from dlpipe.data import Split, TensorDataModule
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.data.minibatches import SINGLE_PROCESS
from dlpipe.errors import Problem, RequestError
from dlpipe.runs.best_weights import load_weights
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.config_file import relocate_config
from dlpipe.runs.directory import best_of
from dlpipe.stages import Stage, selected, stages_of
from dlpipe.training.build import build_dataset
from dlpipe.training.callbacks.divergence import Divergence
from dlpipe.training.callbacks.graceful_stop import GracefulStop
from dlpipe.training.callbacks.monitor import MonitorError
from dlpipe.training.error_report import one_line
from dlpipe.training.optimizers.attach import attach_optimizer
from dlpipe.training.prepared import Prepared
from dlpipe.training.run_files import export_weights
from dlpipe.training.speed.updates import FusedUpdates

log = logging.getLogger(__name__)
ROWS = 100  # examples of a minibatch without a size, and of the validation: a metric may need several classes
# one update says nothing about divergence, a signal ends the check at once, and the fused update equals the other one
LEFT_OUT = (pl.callbacks.ProgressBar, Divergence, FusedUpdates, GracefulStop)
# options of the Trainer that only fit some numbers of minibatches, and that `fast_dev_run` ignores
LENGTHS = ("limit_train_batches", "limit_val_batches", "val_check_interval", "overfit_batches")


class _Ready(Exception):  # noqa: N818  # no error
    """Lightning has set everything up and would start to train."""


class _SilentLogger(DummyLogger):
    """Logs nothing; its folder is what a module sees as ``trainer.log_dir``."""

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self._save_dir = save_dir

    @property
    def save_dir(self) -> str:
        return self._save_dir


class _StopBeforeTraining(pl.Callback):
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        raise _Ready


def one_batch_problems(prepared: Prepared, datasets: dict[str, pl.LightningDataModule]) -> list[Problem]:
    """The first error that training each stage on one minibatch, and its checkpoint, raise.

    Left out for a stage with a full-batch optimizer, which `full_batch_problems` checks, and where the model cannot be
    copied.

    Args:
        prepared: the run.
        datasets: the prepared data, by the text of its config.
    """
    try:
        model = copy.deepcopy(prepared.model)
    except Exception as error:  # the module's own code may raise anything
        log.warning("one minibatch is not tried before training: the model cannot be copied: %s", error)
        return []
    for stage in prepared.selected_stages:
        if needs_full_batch(stage.module, prepared.stage_config(stage)):
            log.info("one minibatch is not tried before training: the optimizer needs the whole training set")
    with tempfile.TemporaryDirectory(prefix="dlpipe-") as folder, _isolated():
        torch.set_num_threads(prepared.settings.threads)
        for stage in selected(stages_of(model), prepared.settings.stages):
            config = prepared.stage_config(stage)
            data = datasets[str(config.dataset)]
            config = _single_process(relocate_config(config, folder), prepared.num_processes)
            try:
                _set_up_loops(stage, config, data)
                if not needs_full_batch(stage.module, config):
                    _train_one_batch(stage, config, data)
                    _read_back(stage, best_of(Path(folder), stage.name))
            except RequestError as error:
                return error.problems
            except MonitorError as error:
                return [Problem("", str(error))]
            except (Exception, SystemExit) as error:
                if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
                    raise KeyboardInterrupt from None  # which Lightning has turned into an exit
                return [Problem(f"model={config.model.name}", _describe(error, folder, config))]
    return []


@contextlib.contextmanager
def _isolated() -> Iterator[None]:
    """Keep the state of the global generators, and print nothing."""
    disabled = logging.root.manager.disable
    with isolate_rng(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def _single_process(config: DictConfig, num_processes: int) -> DictConfig:
    """The config for one process without a process group; of several, on the CPU, since this one does not train."""
    with open_dict(config):
        config.trainer.pop("profiler", None)  # it may write files
        config.trainer.update(devices=1, num_nodes=1, strategy="auto")
        if num_processes > 1:
            config.trainer.accelerator = "cpu"
    return config


def _set_up_loops(stage: Stage, config: DictConfig, data: pl.LightningDataModule) -> None:
    """Let Lightning compare the Trainer's limits and intervals with the numbers of minibatches, where some are set.

    Raises:
        RequestError: one does not fit.
    """
    named = [name for name in LENGTHS if config.trainer.get(name) is not None]
    if not named:
        return
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "num_sanity_val_steps": 0}
    trainer = instantiate(config.trainer, **options, _partial_=True)(callbacks=[_StopBeforeTraining()])
    attach_optimizer(stage.module, config.optimizer, config.scheduler, config.recipe.monitor)
    try:
        trainer.fit(stage.module, datamodule=_fresh(config, data))
    except _Ready:
        return
    except (ValueError, MisconfigurationException) as error:
        where = " ".join(f"trainer.{name}={config.trainer[name]}" for name in named)
        raise RequestError([Problem(where, " ".join(str(error).split()))]) from error


def _train_one_batch(stage: Stage, config: DictConfig, data: pl.LightningDataModule) -> None:
    with open_dict(config):
        config.trainer.fast_dev_run = 1
    trainer = trainer_of(config, stage)
    trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, LEFT_OUT)]  # type: ignore[attr-defined]
    trainer.loggers = [_SilentLogger(config.output_dir) for _ in config.logger]  # fast_dev_run has replaced them
    attach_optimizer(stage.module, config.optimizer, config.scheduler, config.recipe.monitor)
    if stage.begin:
        stage.begin()
    with torch.compiler.set_stance("force_eager"):
        trainer.fit(stage.module, datamodule=_few_examples(_fresh(config, data), stage))


def _read_back(stage: Stage, best: Path) -> None:
    """Read the stage's checkpoints as a resumption and the test do, and write the weights."""
    if best.is_file():  # there is a callback that writes checkpoints
        if is_overridden("on_load_checkpoint", stage.module, pl.LightningModule):
            stage.module.on_load_checkpoint(read_checkpoint(best.with_name("last.ckpt")))
        load_weights(stage.module, best)
    best.parent.mkdir(parents=True, exist_ok=True)
    export_weights(stage.module, best.parent)


def _fresh(config: DictConfig, data: pl.LightningDataModule) -> pl.LightningDataModule:
    """A dataset whose setup may be called; that of dlpipe's own does nothing when it is called again."""
    return copy.copy(data) if isinstance(data, InMemoryDataModule) else build_dataset(config.dataset)


def _few_examples(data: pl.LightningDataModule, stage: Stage) -> pl.LightningDataModule:
    """The same data with one minibatch in each split, from all over it, encoded for the stage.

    A dataset whose subclass makes its own batches is left as it is: they may need all examples.
    """
    if not isinstance(data, TensorDataModule):
        return data
    data.encode = stage.encode
    data.shard = SINGLE_PROCESS
    methods = ("train_dataloader", "val_dataloader", "evaluation_batches", "move_splits")
    if all(getattr(type(data), name) is getattr(TensorDataModule, name) for name in methods):
        sizes = {"train": data.batch_size or ROWS}
        data.splits = {name: _spread(split, sizes.get(name, ROWS)) for name, split in data.splits.items()}
        data.eval_drop_last = False
    data.splits = data.move_splits(data.splits)
    return data


def _spread(split: Split, count: int) -> Split:
    """Examples from all over a split, the first of the highest class, for which a model may have no output."""
    rows = torch.linspace(0, len(split.x) - 1, min(count, len(split.x))).long()
    rows[0] = split.y.argmax() if split.y.ndim == 1 and split.y.dtype != torch.bool else 0
    return Split(split.x[rows], split.y[rows])


def _describe(error: BaseException, folder: str, config: DictConfig) -> str:
    return f"one minibatch does not go through training: {one_line(error, config).replace(f'{folder}/', '')}"
