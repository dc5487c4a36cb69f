"""The same LR scheduler steps on all ranks."""

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
