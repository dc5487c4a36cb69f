"""One line a validation on the terminal, and the counts that the summary reports."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from dlpipe.metrics import format_metric
from dlpipe.training.callbacks.monitor import is_extra_validation

log = logging.getLogger(__name__)


class ConsoleReporter(pl.Callback):
    """Print each validation as the tutorials do, and count what was trained and evaluated."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of training, over all processes of a resumed run
        self.epoch = 0
        self.evaluated: dict[str, int] = {}
        self._started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, or continue it."""
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
        self.evaluated["val"] += _examples(arguments[3])

    def on_test_batch_end(self, *arguments: Any) -> None:
        """Count the examples of a batch."""
        self.evaluated["test"] += _examples(arguments[3])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print epoch, minibatch and every validation metric."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or is_extra_validation(trainer):
            return
        metrics = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val")}
        log.info(
            "epoch %d, minibatch %d/%s, %s",
            trainer.current_epoch + 1,
            trainer.fit_loop.epoch_loop.batch_idx + 1,
            trainer.num_training_batches,
            ", ".join(format_metric(name, value) for name, value in metrics.items()) or "nothing logged",
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        seconds = time.perf_counter() - self._started if self._started else 0.0
        return {"seconds": seconds, "epoch": self.epoch, "evaluated": dict(self.evaluated)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.seconds, self.epoch, self.evaluated = (state_dict[name] for name in ("seconds", "epoch", "evaluated"))


def _examples(batch: Any) -> int:
    """Examples in a batch: rows of its first tensor."""
    while isinstance(batch, (list, tuple)) and batch:
        batch = batch[0]
    if isinstance(batch, dict) and batch:
        return _examples(next(iter(batch.values())))
    return len(batch) if isinstance(batch, Tensor) and batch.ndim else 1
