"""Callbacks of a run on several ranks."""

import signal

import pytorch_lightning as pl
import torch

from dlpipe.training.lightning_private import callback_metrics_store


class SyncSchedulerMetrics(pl.Callback):
    """Give the LR schedulers of all ranks rank 0's metrics.

    Where validation draws random numbers each rank has metrics of its own, which ReduceLROnPlateau would follow.
    """

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Broadcast rank 0's metrics, before Lightning updates the epoch's LR schedulers."""
        own = callback_metrics_store(trainer)
        common = trainer.strategy.broadcast({name: float(value) for name, value in own.items()})
        own.update({name: torch.tensor(value) for name, value in common.items()})


class StopTestOnSigterm(pl.Callback):
    """Let SIGTERM raise KeyboardInterrupt in the test: Lightning's handler would wait for ranks that may be gone."""

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace the handler that Lightning has just set."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
