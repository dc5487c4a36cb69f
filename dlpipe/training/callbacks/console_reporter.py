"""One line a validation on the terminal, or an epoch if there is none, and the counts that the summary reports."""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from dlpipe.metrics import format_metric
from dlpipe.training.callbacks.monitor import is_extra_validation, validation_metrics

log = logging.getLogger(__name__)


class ConsoleReporter(pl.Callback):
    """Print each validation as the tutorials do, and count what was trained and evaluated."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of training, over all processes of a resumed run
        self.epoch = 0
        self.evaluated: dict[str, int] = {}
        self._started = 0.0
        self._validates = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, or continue it."""
        self._validates = trainer.enable_validation
        self._started = time.perf_counter() - self.seconds

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch, counted from 1."""
        self.epoch = trainer.current_epoch + 1

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        self.seconds = time.perf_counter() - self._started

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stop the clock where training was interrupted."""
        if trainer.state.fn == "fit" and self._started:
            self.seconds = time.perf_counter() - self._started

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count this validation's examples from zero."""
        self.evaluated["val"] = 0

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the test's examples from zero."""
        self.evaluated["test"] = 0

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Count the examples of a batch."""
        self.evaluated["val"] += num_examples(arguments[3])

    def on_test_batch_end(self, *arguments: Any) -> None:
        """Count the examples of a batch."""
        self.evaluated["test"] += num_examples(arguments[3])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print epoch, minibatch and every validation metric."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or is_extra_validation(trainer):
            return
        _log_line(trainer, validation_metrics(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the training metrics of an epoch, if nothing is validated."""
        if not self._validates:
            _log_line(trainer, {name: float(value) for name, value in trainer.callback_metrics.items()})

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        seconds = time.perf_counter() - self._started if self._started else 0.0
        return {"seconds": seconds, "epoch": self.epoch, "evaluated": dict(self.evaluated)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.seconds, self.epoch, self.evaluated = (state_dict[name] for name in ("seconds", "epoch", "evaluated"))


def _log_line(trainer: pl.Trainer, metrics: dict[str, float]) -> None:
    log.info(
        "epoch %d, minibatch %d/%s, %s",
        trainer.current_epoch + 1,
        trainer.fit_loop.epoch_loop.batch_idx + 1,
        trainer.num_training_batches,
        ", ".join(format_metric(name, value) for name, value in metrics.items()) or "nothing logged",
    )


def num_examples(batch: Any) -> int:
    """Examples in a batch: rows of its first tensor."""
    return next((len(tensor) for tensor in _tensors(batch) if tensor.ndim), 1)


def _tensors(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, (Mapping, list, tuple)):
        for value in batch.values() if isinstance(batch, Mapping) else batch:
            yield from _tensors(value)
