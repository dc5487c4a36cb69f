"""The metric that a composed ReduceLROnPlateau follows where ``recipe.monitor`` names none."""

import pytorch_lightning as pl

from dlpipe.errors import format_list
from dlpipe.training.callbacks.monitor import DEFAULT_MONITORS, MonitorError
from dlpipe.training.optimizers.attach import has_own_optimizer


class PlateauMonitor(pl.Callback):
    """Let the composed ReduceLROnPlateau follow the metric that the run monitors by itself."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Name the metric before Lightning updates the epoch's LR schedulers.

        Raises:
            MonitorError: none of those that are monitored by themselves was logged.
        """
        if has_own_optimizer(pl_module):
            return
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                config.monitor = self._name(trainer)

    @staticmethod
    def _name(trainer: pl.Trainer) -> str:
        logged = trainer.callback_metrics
        for name in DEFAULT_MONITORS:
            if name in logged:
                return name
        message = "scheduler=plateau needs a metric; choose one with recipe.monitor=NAME"
        raise MonitorError(f"{message}; logged: {format_list(sorted(logged))}")
