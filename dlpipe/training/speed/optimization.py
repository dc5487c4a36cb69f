"""Lightning's automatic optimization with traced steps."""

from collections import OrderedDict
from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer

from dlpipe.training.lightning_private import AutomaticOptimization, is_accumulating
from dlpipe.training.speed.updates import FusedUpdates


class FusedOptimization(AutomaticOptimization):
    """Lightning's automatic optimization, which trains the last minibatch of a chunk, with a fused update if possible.

    Args:
        trainer: the trainer of the loop.
        fused: makes the update.
    """

    def __init__(self, trainer: pl.Trainer, fused: FusedUpdates) -> None:
        super().__init__(trainer)
        self.fused = fused

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """Train the minibatch in ``kwargs``."""
        window = self.trainer.accumulate_grad_batches
        begins, ends = batch_idx % window == 0, not is_accumulating(self.trainer)
        self.fused.invalidate_stale_traces()
        loss = self.fused.train(kwargs["batch"], begins, ends) if "batch" in kwargs else None
        if loss is None:
            return super().run(optimizer, batch_idx, kwargs)
        progress = self.optim_progress.optimizer
        add_progress(progress.step, int(ends), "ready", "completed")
        add_progress(progress.zero_grad, int(begins), "ready", "started", "completed")
        return {"loss": loss if window == 1 else loss / window}


def add_progress(progress: Any, count: int, *names: str) -> None:
    """Add to counts of one of Lightning's progress trackers, for this epoch and in total."""
    for counts in (progress.total, progress.current):
        for name in names:
            setattr(counts, name, getattr(counts, name) + count)
