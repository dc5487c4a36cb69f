"""Several minibatches for one step of Lightning's loop.

Around one minibatch of a small model Lightning does several times the work of the model itself: hooks, progress,
profiler contexts, optimizer wrappers (benchmarks/ measures it). Here all but the last minibatch of a chunk are trained
by the bare loop that one would write by hand. Lightning trains the last one, so that its callbacks see a trainer that
has made so many updates.
"""

import contextlib
import logging
import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from torch import Tensor

from dlpipe.data.minibatches import Minibatches
from dlpipe.training.lightning_private import (
    DataFetcher,
    IteratorFetcher,
    batch_start_hook,
    before_transfer_hook,
    count_fetched,
    set_current_hook,
    single_loader_iterator,
)
from dlpipe.training.resume.loops import ResumableEpochLoop
from dlpipe.training.speed.chunk_support import SupportsChunks, reason_chunks_disabled
from dlpipe.training.speed.eager_update import eager_update
from dlpipe.training.speed.fused_optimization import FusedOptimization, add_progress, fused_updates

log = logging.getLogger(__name__)
# a chunk ends after this time, so that the progress bar, a time limit or a signal waits no longer
MAX_CHUNK_SECONDS = 0.2


@runtime_checkable
class TakesLosses(Protocol):
    """A callback that takes the losses of the minibatches for which its hooks were not called."""

    def on_minibatches(self, losses: list[Tensor]) -> None:
        """Take scalars, in the order of the minibatches."""


def take_chunks(trainer: pl.Trainer, size: int, seed: int | None = None) -> "ChunkedEpochLoop":
    """Let the trainer step over up to ``size`` minibatches at once; ``seed`` as in `ResumableEpochLoop`."""
    old = trainer.fit_loop.epoch_loop
    loop = ChunkedEpochLoop(trainer, size, seed, min_steps=old.min_steps, max_steps=old.max_steps)
    trainer.fit_loop.epoch_loop = loop
    return loop


class ChunkedEpochLoop(ResumableEpochLoop):
    """Lightning's loop over an epoch, whose `advance` first trains the minibatches that no hook has to see.

    Args:
        trainer: the trainer of the loop.
        size: the most minibatches of a chunk; becomes 1 where something needs every minibatch.
        seed: as in `ResumableEpochLoop`.
        limits: Lightning's ``min_steps`` and ``max_steps``.
    """

    def __init__(self, trainer: pl.Trainer, size: int, seed: int | None = None, **limits: Any) -> None:
        super().__init__(trainer, seed, **limits)
        self.automatic_optimization = FusedOptimization(trainer)
        self.size = size
        self.reason_chunks_disabled: str | None = None
        self._is_set_up = False
        self._batch: Any = None
        # looked up once: isinstance of a Protocol is slow
        self._chunk_callbacks: list[SupportsChunks] = []
        self._loss_callbacks: list[TakesLosses] = []

    def advance(self, data_fetcher: DataFetcher) -> None:
        """Train a chunk; Lightning trains its last minibatch, and the first one of a fit."""
        if not self._is_set_up:
            self._set_up(data_fetcher)
        elif self.size > 1 and not self.restarting and (count := self._num_fast_batches()) > 0:
            self._run_fast_loop(data_fetcher, count)
        super().advance(data_fetcher)

    def _set_up(self, data_fetcher: DataFetcher) -> None:
        self._is_set_up = True
        callbacks = self.trainer.callbacks
        self._chunk_callbacks = [callback for callback in callbacks if isinstance(callback, SupportsChunks)]
        self._loss_callbacks = [callback for callback in callbacks if isinstance(callback, TakesLosses)]
        if self.size > 1 and (reason := self._reason_disabled(data_fetcher)):
            log.info("Chunked training disabled: %s", reason)
            self.size, self.reason_chunks_disabled = 1, reason

    def _reason_disabled(self, data_fetcher: DataFetcher) -> str | None:
        if isinstance(data_fetcher, IteratorFetcher):
            return "training_step takes the iterator of the data"
        if self.trainer.num_training_batches == math.inf:
            return "the training data has no length"
        return reason_chunks_disabled(self.trainer, self.trainer.lightning_module)

    def _num_fast_batches(self) -> int:
        """How many minibatches there are before the one after which something happens."""
        trainer, progress = self.trainer, self.batch_progress
        if trainer.accumulate_grad_batches != 1:  # a callback may change it between epochs
            return 0
        left = [self.size, trainer.num_training_batches - progress.current.ready]
        if trainer.loggers and trainer.log_every_n_steps and not fused_updates(trainer).silent:
            left.append(_until_multiple(trainer.log_every_n_steps, self.logging_step))
        if self.max_steps != -1:
            left.append(self.max_steps - self.global_step)
        if trainer.val_check_batch not in (None, math.inf):
            counted = progress.total if trainer.check_val_every_n_epoch is None else progress.current
            left.append(_until_multiple(int(trainer.val_check_batch), counted.ready))
        left += [callback.next_update() - self.global_step for callback in self._chunk_callbacks]
        return int(min(left)) - 1

    def _run_fast_loop(self, data_fetcher: DataFetcher, count: int) -> None:
        """Train at most ``count`` minibatches by the loop that one would write by hand."""
        trainer, fused = self.trainer, fused_updates(self.trainer)
        fused.invalidate_stale_traces()
        update_eagerly = eager_update(trainer.lightning_module, trainer.optimizers[0])
        steps_lr = any(config.interval == "step" for config in trainer.lr_scheduler_configs)
        batches, updates = self.batch_progress, self.automatic_optimization.optim_progress.optimizer.step
        losses: list[Tensor] = []
        deadline = time.perf_counter() + MAX_CHUNK_SECONDS
        with self._fast_contexts(data_fetcher, losses):
            for batch in self._next_batches(data_fetcher, count):
                self._batch = batch
                # the module and LR schedulers see these counts at every step; the others are added at the end
                batches.total.ready += 1
                batches.current.ready += 1
                loss = fused.train(batch)
                if loss is None:
                    loss = update_eagerly(batch, batches.current.ready - 1)
                if loss is not None:
                    losses.append(loss)
                updates.total.completed += 1
                updates.current.completed += 1
                if steps_lr:
                    self.update_lr_schedulers("step", update_plateau_schedulers=False)
                if time.perf_counter() > deadline:
                    break

    @contextlib.contextmanager
    def _fast_contexts(self, data_fetcher: DataFetcher, losses: list[Tensor]) -> Iterator[None]:
        precision = self.trainer.precision_plugin.train_step_context()
        with precision, self._log_epoch_means_only(), self._sync_progress_counters(data_fetcher, losses):
            yield

    def _next_batches(self, data_fetcher: DataFetcher, count: int) -> Iterator[Any]:
        """The next minibatches on the device; those in memory need nothing that Lightning's fetcher does."""
        if _is_in_memory(data_fetcher):
            return islice(single_loader_iterator(data_fetcher), count)
        return self._fetched_batches(data_fetcher, count)

    def _fetched_batches(self, data_fetcher: DataFetcher, count: int) -> Iterator[Any]:
        before_transfer = before_transfer_hook(self.trainer.lightning_module)
        to_device = self.trainer.strategy.batch_to_device
        for _ in range(count):
            batch, _, _ = next(data_fetcher)
            yield to_device(before_transfer(batch, dataloader_idx=0), dataloader_idx=0)

    @contextlib.contextmanager
    def _log_epoch_means_only(self) -> Iterator[None]:
        """Let ``self.log`` in training_step add to an epoch's means alone.

        Lightning logs the values of single steps, and a chunk ends where one is due.
        """
        module, on_batch_start = self.trainer.lightning_module, batch_start_hook(self.trainer)
        log = module.log

        def log_mean(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
            if kwargs.get("on_epoch"):
                on_batch_start(self._batch)
                before = set_current_hook(module, "training_step")
                log(name, value, *args, **kwargs)
                set_current_hook(module, before)

        module.log = log_mean
        try:
            yield
        finally:
            del module.log

    @contextlib.contextmanager
    def _sync_progress_counters(self, data_fetcher: DataFetcher, losses: list[Tensor]) -> Iterator[None]:
        """Bring Lightning's other counts to where they are after so many minibatches, also when one raised."""
        optimizer = self.automatic_optimization.optim_progress.optimizer
        ready_before, updates_before = self.batch_progress.total.ready, optimizer.step.total.completed
        try:
            yield
        finally:
            started = self.batch_progress.total.ready - ready_before
            updated = optimizer.step.total.completed - updates_before
            if _is_in_memory(data_fetcher):
                count_fetched(data_fetcher, started)
            add_progress(self.batch_progress, started, "started")
            add_progress(self.batch_progress, updated, "processed", "completed")
            add_progress(optimizer.step, started, "ready")
            add_progress(optimizer.zero_grad, updated, "ready", "started", "completed")
            self.logging_step += updated
            for callback in self._loss_callbacks:
                callback.on_minibatches(losses)


def _is_in_memory(data_fetcher: DataFetcher) -> bool:
    """Whether the data is one loader of ours, and not a dict or a list of loaders."""
    return isinstance(data_fetcher.combined_loader.iterables, Minibatches)


def _until_multiple(of: int, count: int) -> int:
    """How far it is from a count to the next multiple."""
    return of - count % of
