"""Lightning's loops with safe points: between two steps and between two epochs, where all their counts agree.

A run can be saved and resumed exactly only there. Lightning's own checkpoints are written inside hooks, when some
counts are ahead of others; on resuming it guesses which hooks are still to come, trains or validates once too often or
too seldom, and starts the epoch's data again.
"""

import warnings
from typing import Any

import pytorch_lightning as pl

from dlpipe.data.minibatches import Minibatches
from dlpipe.training.lightning_private import (
    DataFetcher,
    EpochLoop,
    FitLoop,
    IteratorFetcher,
    StatefulLoader,
    mark_resumed,
)
from dlpipe.training.resume.rng import begin_epoch, restore_rng_state


def safe_point(trainer: pl.Trainer) -> None:
    """Call ``on_safe_point(trainer, module)`` of the callbacks that have it: they may save the run here, or end it."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if hasattr(callback, "on_safe_point"):  # isinstance of a Protocol is slow, and this runs at every step
            callback.on_safe_point(trainer, trainer.lightning_module)


def end_in_epoch(trainer: pl.Trainer) -> None:
    """Call ``on_end_in_epoch(trainer, module)`` of the callbacks that have it: training ends within an epoch."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if hasattr(callback, "on_end_in_epoch"):
            callback.on_end_in_epoch(trainer, trainer.lightning_module)


def add_safe_points(trainer: pl.Trainer) -> None:
    """Give the trainer a `SafePointFitLoop` in place of Lightning's own."""
    old = trainer.fit_loop
    loop = SafePointFitLoop(trainer, min_epochs=old.min_epochs, max_epochs=old.max_epochs)
    loop.epoch_loop = old.epoch_loop
    trainer.fit_loop = loop


class SafePointFitLoop(FitLoop):
    """Lightning's loop over epochs, with a safe point after each but the last."""

    def on_advance_end(self) -> None:
        """End the epoch, then call `safe_point`."""
        super().on_advance_end()
        if not self.done:
            safe_point(self.trainer)


class ResumableEpochLoop(EpochLoop):
    """Lightning's loop over an epoch, with safe points between its steps, that can resume in mid-epoch.

    Args:
        trainer: the trainer of the loop.
        seed: makes random numbers a function of (seed, epoch, rank) and the step; None leaves them to Lightning.
        limits: Lightning's ``min_steps`` and ``max_steps``.
    """

    def __init__(self, trainer: pl.Trainer, seed: int | None = None, **limits: Any) -> None:
        super().__init__(trainer, **limits)
        self.seed = seed
        # from the checkpoint that the run is resumed from
        self.rng_state: dict[str, Any] | None = None
        self.processes_before: int | None = None

    def reset(self) -> None:
        """Prepare an epoch: the next one, where the checkpoint was written at the end of one."""
        if self.is_resuming and self._has_trained_epoch():
            self.restarting = False
            self.reset_restart_stage()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
            super().reset()

    def _has_trained_epoch(self) -> bool:
        """Whether the resumed epoch is over; with another number of processes, first count its minibatches in theirs.

        Where a minibatch of before ends within one of now, that one is trained whole.
        """
        if self.processes_before in (None, self.trainer.world_size):
            return self.is_epoch_trained
        if not self.trainer.fit_loop.restarted_mid_epoch:
            return True
        current = self.batch_progress.current
        count = current.ready * self.processes_before // self.trainer.world_size
        for name in vars(current):
            setattr(current, name, min(count, int(self.trainer.num_training_batches) - 1))
        return False

    def on_run_start(self, data_fetcher: DataFetcher) -> None:
        """Seed the epoch and start its data; on resuming, after the minibatches that were trained already."""
        trainer, is_resuming = self.trainer, self.is_resuming
        loaders = data_fetcher.combined_loader.flattened
        if self.seed is not None:
            begin_epoch(self.seed, trainer.current_epoch, trainer.global_rank, loaders)
        super().on_run_start(data_fetcher)
        started_unseeded = is_resuming or (self.seed is not None and trainer.current_epoch == 0)
        if started_unseeded and not all(isinstance(loader, StatefulLoader) for loader in loaders):
            _restart_data(data_fetcher, loaders, self.batch_progress.current.ready)
        if is_resuming:
            _restore_accumulation(trainer)
            if self.rng_state is not None and self.batch_progress.current.ready:
                restore_rng_state(self.rng_state, trainer.lightning_module)
            mark_resumed(trainer.fit_loop)

    def on_advance_end(self, data_fetcher: DataFetcher) -> None:
        """Validate and log where it is due; then a safe point, except in an accumulation or at the end of the epoch."""
        super().on_advance_end(data_fetcher)
        if self.is_accumulating or isinstance(data_fetcher, IteratorFetcher):
            return
        if not (self.is_training_done or self.trainer.should_stop):
            safe_point(self.trainer)
        elif not self.is_epoch_trained:
            end_in_epoch(self.trainer)


def _restore_accumulation(trainer: pl.Trainer) -> None:
    """Accumulate gradients as scheduled for this epoch, which Lightning looks up only where an epoch starts."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, pl.callbacks.GradientAccumulationScheduler):
            trainer.accumulate_grad_batches = callback.get_accumulate_grad_batches(trainer.current_epoch)


def _restart_data(data_fetcher: DataFetcher, loaders: list[Any], count: int) -> None:
    """Start the epoch's data again, after its first ``count`` minibatches."""
    can_skip = len(loaders) == 1 and isinstance(loaders[0], Minibatches)
    if can_skip:
        loaders[0].skip = count
    iter(data_fetcher)
    if can_skip:
        data_fetcher.fetched += count
        return
    for _ in range(count):
        next(data_fetcher)
