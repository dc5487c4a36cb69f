"""What one of several ranks does otherwise than a process alone."""

import signal

import pytorch_lightning as pl
import torch

from dlpipe.training.lightning_private import callback_metrics_store


class SyncSchedulerMetrics(pl.Callback):
    """Let schedules see rank 0's metrics, and end on SIGTERM while testing."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where validation draws, each rank has metrics of its own, and ReduceLROnPlateau would go by them."""
        own = callback_metrics_store(trainer)
        common = trainer.strategy.broadcast({name: float(value) for name, value in own.items()})
        own.update({name: torch.tensor(value) for name, value in common.items()})

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raise KeyboardInterrupt; the handler that Lightning has just set talks to ranks that may be gone."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
