"""Fused updates in Lightning's own step, which trains the last minibatch of a chunk."""

from collections import OrderedDict
from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer

from dlpipe.training.lightning_private import AutomaticOptimization
from dlpipe.training.speed.updates import FusedUpdates


class FusedOptimization(AutomaticOptimization):
    """Lightning's automatic optimization, replaced by a fused update where there is one."""

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """Update for the minibatch in ``kwargs``."""
        fused = fused_updates(self.trainer)
        if self.trainer.accumulate_grad_batches != 1:  # a callback may change it between epochs
            return super().run(optimizer, batch_idx, kwargs)
        fused.invalidate_stale_traces()
        loss = fused.train(kwargs["batch"]) if "batch" in kwargs else None
        if loss is None:
            return super().run(optimizer, batch_idx, kwargs)
        progress = self.optim_progress.optimizer
        add_progress(progress.step, 1, "ready", "completed")
        add_progress(progress.zero_grad, 1, "ready", "started", "completed")
        return {"loss": loss}


def fused_updates(trainer: pl.Trainer) -> FusedUpdates:
    """The trainer's callback, or a new one, which is inactive."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, FusedUpdates):
            return callback
    return FusedUpdates()


def add_progress(progress: Any, count: int, *names: str) -> None:
    """Add to counts of one of Lightning's progress trackers, for this epoch and in total."""
    for counts in (progress.total, progress.current):
        for name in names:
            setattr(counts, name, getattr(counts, name) + count)
