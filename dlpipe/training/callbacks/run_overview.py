"""The first lines of a run on the terminal: what is trained, on which data, where, and how."""

import logging
from collections.abc import Sized
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.training.prepared import Prepared

log = logging.getLogger(__name__)


class RunOverview(pl.Callback):
    """Log model, dataset, device and directory when the first stage starts, and each stage's optimizer and recipe.

    Args:
        prepared: the run.
        config: the stage's config.
        is_first: whether this is the first stage that is trained.
    """

    def __init__(self, prepared: Prepared, config: DictConfig, is_first: bool) -> None:
        self.prepared = prepared
        self.config = config
        self.is_first = is_first

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the lines on rank 0; the stage's data is loaded."""
        if trainer.is_global_zero:
            for line in self._run(trainer) if self.is_first else []:
                log.info(line)
            log.info("training: %s; %s", _optimizers(trainer), ", ".join(_lengths(trainer, self.config)))

    def _run(self, trainer: pl.Trainer) -> list[str]:
        config = self.prepared.config
        counts = ", ".join(f"{count:,} {split}" for split, count in _num_examples(trainer).items())
        return [
            f"model {config.model.name}: {_num_parameters(self.prepared.model):,} parameters",
            f"dataset {config.dataset.name}" + (f": {counts} examples" if counts else ""),
            f"device {_device(trainer)}",
            f"run directory: {config.output_dir}",
        ]


def _num_parameters(model: pl.LightningModule) -> int:
    """The number of weights; a lazy layer's are unknown until its first minibatch."""
    return sum(p.numel() for p in model.parameters() if not torch.nn.parameter.is_lazy(p))


def _num_examples(trainer: pl.Trainer) -> dict[str, int]:
    """Split to number of examples, where a loader has that number."""
    loaders = {"train": trainer.train_dataloader, "validation": trainer.val_dataloaders}
    data = trainer.datamodule  # type: ignore[attr-defined]
    if isinstance(data, InMemoryDataModule) and "test" in data.splits:  # others would prepare their test set now
        loaders["test"] = data.test_dataloader()
    counts = {split: _examples_of(loader) for split, loader in loaders.items()}
    return {split: count for split, count in counts.items() if count is not None}


def _examples_of(loader: Any) -> int | None:
    """The number of examples that a loader iterates over; None if it cannot say."""
    if isinstance(count := getattr(loader, "num_examples", None), int):
        return count
    dataset = getattr(loader, "dataset", None)
    return len(dataset) if isinstance(dataset, Sized) else None


def _device(trainer: pl.Trainer) -> str:
    device, count = trainer.strategy.root_device, trainer.world_size
    name = f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
    threads = torch.get_num_threads()
    cpu = f", {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else ""
    processes = f", {count} processes" if count > 1 else ""
    return f"{name}{cpu}{processes}, precision {trainer.precision}"


def _optimizers(trainer: pl.Trainer) -> str:
    """Class and learning rate of every optimizer; Lightning's stand-in for none has no parameters."""
    optimizers = [optimizer for optimizer in trainer.optimizers if optimizer.param_groups]
    rates = [(type(optimizer).__name__, optimizer.param_groups[0].get("lr")) for optimizer in optimizers]
    return ", ".join(name if lr is None else f"{name} with lr {float(lr):g}" for name, lr in rates) or "no optimizer"


def _lengths(trainer: pl.Trainer, config: DictConfig) -> list[str]:
    """Minibatch, length and early stopping."""
    epochs, patience = config.trainer.get("max_epochs"), (config.callbacks.get("patience") or {}).get("patience")
    words = [_batch_size(trainer)]
    words += [f"at most {epochs} epoch{'s' if epochs > 1 else ''}"] if epochs and epochs > 0 else []
    words += [f"patience {patience} updates"] if patience else []
    return [word for word in words if word]


def _batch_size(trainer: pl.Trainer) -> str:
    """Of the training data, which need not read the recipe's; empty if its loader cannot say."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    if isinstance(data, InMemoryDataModule):
        return "full batch" if data.batch_size is None else f"batch size {data.batch_size}"
    size = getattr(trainer.train_dataloader, "batch_size", None)
    return f"batch size {size}" if isinstance(size, int) else ""
