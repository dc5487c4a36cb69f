"""What one of several ranks does otherwise than a process alone."""

import random
import signal

import numpy as np
import pytorch_lightning as pl
import torch


class AsRank(pl.Callback):
    """Draw numbers of its own, end on SIGTERM, and let schedules see rank 0's metrics.

    Args:
        rank: of this process.
        seed: of the run.
    """

    def __init__(self, rank: int, seed: int) -> None:
        self.rank = rank
        self.seed = seed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the same weights have been drawn on all ranks, let dropout and noise differ."""
        _end_on_sigterm()
        if self.rank > 0:  # not by Lightning's seed_everything, from which its samplers take the order of examples
            own = int(np.random.SeedSequence((self.seed, self.rank)).generate_state(1)[0])
            torch.manual_seed(own)
            np.random.seed(own)
            random.seed(own)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where validation draws, each rank has metrics of its own, and ReduceLROnPlateau would go by them."""
        own = trainer._logger_connector._callback_metrics
        common = trainer.strategy.broadcast({name: float(value) for name, value in own.items()})
        own.update({name: torch.tensor(value) for name, value in common.items()})

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """As while training."""
        _end_on_sigterm()


def _end_on_sigterm() -> None:
    """Raise KeyboardInterrupt; the handler that Lightning has just set talks to ranks that may be gone."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
