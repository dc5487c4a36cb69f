"""Lightning's loops with places to rest: between two steps and between two epochs, where all their counts agree.

A run is left and taken up again at such a place alone. Lightning's own checkpoints are written inside hooks, when some
counts are ahead of others; it then guesses which hooks are still to come, trains or validates once too often or too
seldom, and begins the epoch's data anew. This file and `dlpipe.training.speed.chunks` alone rely on private names of
Lightning; tests/training/resume pin what they do.
"""

import warnings
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.types import _Stateful
from pytorch_lightning.loops.fetchers import _DataFetcher, _DataLoaderIterDataFetcher
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

from dlpipe.data.minibatches import Minibatches
from dlpipe.training.resume.rng import begin_epoch, restore_rng_state


def safe_point(trainer: pl.Trainer) -> None:
    """Call ``on_rest(trainer, module)`` of the callbacks that have it: they may save the run here, or end it."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if hasattr(
            callback, "on_safe_point"
        ):  # not a protocol: finding out whether one fits takes long, and this is every step
            callback.on_safe_point(trainer, trainer.lightning_module)


def add_safe_points(trainer: pl.Trainer) -> None:
    """Give the trainer a `SafePointFitLoop` in place of Lightning's own."""
    old = trainer.fit_loop
    loop = SafePointFitLoop(trainer, min_epochs=old.min_epochs, max_epochs=old.max_epochs)
    loop.epoch_loop = old.epoch_loop
    trainer.fit_loop = loop


class SafePointFitLoop(_FitLoop):
    """Lightning's loop over epochs, with a rest after each but the last."""

    def on_advance_end(self) -> None:
        """End the epoch, then rest."""
        super().on_advance_end()
        if not self.done:
            safe_point(self.trainer)


class ResumableEpochLoop(_TrainingEpochLoop):
    """Lightning's loop over an epoch, with rests between its steps, that can begin where it was left.

    Args:
        trainer: whose loop it is.
        seed: of random draws, a function of (seed, epoch, rank) and the step; None leaves them to Lightning.
        limits: Lightning's ``min_steps`` and ``max_steps``.
    """

    def __init__(self, trainer: pl.Trainer, seed: int | None = None, **limits: Any) -> None:
        super().__init__(trainer, **limits)
        self.seed = seed
        # of the checkpoint that a run is taken up from
        self.draws: dict[str, Any] | None = None

    def reset(self) -> None:
        """Prepare an epoch; where the checkpoint was written after one, the next."""
        if self.is_resuming and self._num_ready_batches_reached():
            self.restarting = False
            self.reset_restart_stage()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
            super().reset()

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        """Make the epoch's random draws and minibatches begin, and go to where it was left."""
        trainer, taken_up = self.trainer, self.is_resuming
        loaders = data_fetcher.combined_loader.flattened
        if self.seed is not None:
            begin_epoch(self.seed, trainer.current_epoch, trainer.global_rank, loaders)
        super().on_run_start(data_fetcher)
        early = taken_up or (self.seed is not None and trainer.current_epoch == 0)  # begun before anything was seeded
        if early and not all(isinstance(loader, _Stateful) for loader in loaders):
            _restart_data(data_fetcher, loaders, self.batch_progress.current.ready)
        if taken_up:
            if self.draws is not None and self.batch_progress.current.ready:
                restore_rng_state(self.draws, trainer.lightning_module)
            # nothing is left to be made good, and hooks and schedules are to behave as in any epoch
            trainer.fit_loop.restarting = False
            trainer.fit_loop._loaded_from_state_dict = False

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Validate and log where it is due, then rest, unless the epoch is over or a gradient is half accumulated."""
        super().on_advance_end(data_fetcher)
        ending = self._is_training_done or self.trainer.should_stop
        if not ending and not self._should_accumulate() and not isinstance(data_fetcher, _DataLoaderIterDataFetcher):
            safe_point(self.trainer)


def _restart_data(data_fetcher: _DataFetcher, loaders: list[Any], count: int) -> None:
    """Begin the epoch's data once more, after its first ``count`` minibatches."""
    resident = len(loaders) == 1 and isinstance(loaders[0], Minibatches)
    if resident:
        loaders[0].skip = count
    iter(data_fetcher)
    if resident:
        data_fetcher.fetched += count
        return
    for _ in range(count):
        next(data_fetcher)
