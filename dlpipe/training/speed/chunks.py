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
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from dlpipe.contract import optional_method
from dlpipe.data.minibatches import Minibatches
from dlpipe.training.lightning_private import (
    DataFetcher,
    batch_start_hook,
    before_transfer_hook,
    count_fetched,
    set_current_hook,
    single_loader_iterator,
)
from dlpipe.training.resume.loops import ResumableEpochLoop
from dlpipe.training.speed.eager import eager_update
from dlpipe.training.speed.gradient_step import GradientStep, has_hooks_before_step
from dlpipe.training.speed.optimization import FusedOptimization, add_progress
from dlpipe.training.speed.support import reason_not_chunked
from dlpipe.training.speed.updates import FusedUpdates
from dlpipe.training.trainer import find_callback

log = logging.getLogger(__name__)
# a chunk ends after this time, so that the progress bar, a time limit or a signal waits no longer
MAX_CHUNK_SECONDS = 0.2


def take_chunks(trainer: pl.Trainer, size: int, seed: int | None = None) -> "ChunkedEpochLoop":
    """Let the trainer step over up to ``size`` minibatches at once; ``seed`` as in `ResumableEpochLoop`."""
    old = trainer.fit_loop.epoch_loop
    loop = ChunkedEpochLoop(trainer, size, seed, min_steps=old.min_steps, max_steps=old.max_steps)
    trainer.fit_loop.epoch_loop = loop
    return loop


class ChunkedEpochLoop(ResumableEpochLoop):
    """Lightning's loop over an epoch, whose `advance` first trains the minibatches that no hook has to see.

    Args:
        trainer: the trainer of the loop; one of its callbacks may be `FusedUpdates`.
        size: the most minibatches of a chunk; becomes 1 where something needs every minibatch.
        seed: as in `ResumableEpochLoop`.
        limits: Lightning's ``min_steps`` and ``max_steps``.
    """

    def __init__(self, trainer: pl.Trainer, size: int, seed: int | None = None, **limits: Any) -> None:
        super().__init__(trainer, seed, **limits)
        self.fused: FusedUpdates = find_callback(trainer, FusedUpdates) or FusedUpdates()  # a new one is inactive
        self.automatic_optimization = FusedOptimization(trainer, self.fused)
        self.size = size
        self.reason_chunks_disabled: str | None = None
        self._is_set_up = False
        self._trained = 0  # minibatches of the chunk
        self._batch: Any = None
        # optional methods of callbacks, looked up once
        self._next_updates: list[Callable[[], float]] = []
        self._loss_takers: list[Callable[[list[Tensor]], None]] = []

    def advance(self, data_fetcher: DataFetcher) -> None:
        """Train a chunk; Lightning trains its last minibatch, and the first one of a fit."""
        if not self._is_set_up or self._has_new_hooks():
            self._set_up(data_fetcher)
        elif self.size > 1 and not self.restarting and (count := self._num_fast_batches()) > 0:
            self._run_fast_loop(data_fetcher, count)
        super().advance(data_fetcher)

    def _set_up(self, data_fetcher: DataFetcher) -> None:
        self._is_set_up = True
        callbacks = self.trainer.callbacks
        self._next_updates = [c.next_update for c in callbacks if optional_method(c, "next_update")]
        self._loss_takers = [c.on_minibatches for c in callbacks if optional_method(c, "on_minibatches")]
        if self.size > 1 and (reason := reason_not_chunked(self.trainer, data_fetcher)):
            log.info("Chunked training disabled: %s", reason)
            self.size, self.reason_chunks_disabled = 1, reason

    def _has_new_hooks(self) -> bool:
        """Whether hooks that disable chunks were registered since the fit began."""
        return self.size > 1 and any(map(has_hooks_before_step, self.trainer.optimizers))

    def _num_fast_batches(self) -> int:
        """How many minibatches there are before the one after which something happens."""
        trainer, progress, window = self.trainer, self.batch_progress, self.trainer.accumulate_grad_batches
        left = [self.size, trainer.num_training_batches - progress.current.ready]
        accumulated = progress.current.ready % window
        if trainer.loggers and trainer.log_every_n_steps and not self.fused.silent:
            # Lightning logs each minibatch of the window
            windows = _until_multiple(trainer.log_every_n_steps, self.logging_step) - 1
            left.append(max(windows * window - accumulated, 0) + 1)
        if trainer.val_check_batch not in (None, math.inf):
            counted = progress.total if trainer.check_val_every_n_epoch is None else progress.current
            left.append(_until_multiple(int(trainer.val_check_batch), counted.ready))
        updates = [next_update() - self.global_step for next_update in self._next_updates]
        if self.max_steps != -1:
            updates.append(self.max_steps - self.global_step)
        left += [count * window - accumulated for count in updates]
        return int(min(left)) - 1

    def _run_fast_loop(self, data_fetcher: DataFetcher, count: int) -> None:
        """Train at most ``count`` minibatches by the loop that one would write by hand."""
        trainer, fused = self.trainer, self.fused
        fused.invalidate_stale_traces()
        update_eagerly = eager_update(trainer.lightning_module, GradientStep(trainer, trainer.optimizers[0]))
        window = trainer.accumulate_grad_batches
        steps_lr = any(config.interval == "step" for config in trainer.lr_scheduler_configs)
        batches, updates = self.batch_progress, self.automatic_optimization.optim_progress.optimizer.step
        losses: list[Tensor] = []
        deadline = time.perf_counter() + MAX_CHUNK_SECONDS
        with (
            trainer.precision_plugin.train_step_context(),
            self._log_epoch_means_only(),
            self._sync_progress_counters(data_fetcher, losses),
        ):
            for batch in self._next_batches(data_fetcher, count):
                self._batch = batch
                # the module and LR schedulers see these counts at every step; the others are added at the end
                batches.total.ready += 1
                batches.current.ready += 1
                index = batches.current.ready - 1
                begins, ends = index % window == 0, (index + 1) % window == 0
                loss = fused.train(batch, begins, ends)
                if loss is None:
                    loss = update_eagerly(batch, index, begins, ends)
                if loss is not None:
                    losses.append(loss if window == 1 else loss / window * window)  # rounded as Lightning's is
                self._trained += 1
                if ends:
                    updates.total.completed += 1
                    updates.current.completed += 1
                if steps_lr:
                    self.update_lr_schedulers("step", update_plateau_schedulers=False)
                if time.perf_counter() > deadline:
                    break

    def _next_batches(self, data_fetcher: DataFetcher, count: int) -> Iterator[Any]:
        """The next minibatches on the device; those in memory need nothing that Lightning's fetcher does."""
        if _is_in_memory(data_fetcher):
            return islice(single_loader_iterator(data_fetcher), count)
        before_transfer = before_transfer_hook(self.trainer.lightning_module)
        to_device = self.trainer.strategy.batch_to_device
        return (
            to_device(before_transfer(next(data_fetcher)[0], dataloader_idx=0), dataloader_idx=0) for _ in range(count)
        )

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
        window, before = self.trainer.accumulate_grad_batches, self.batch_progress.current.ready
        updates_before, self._trained = optimizer.step.total.completed, 0
        try:
            yield
        finally:
            ready = self.batch_progress.current.ready
            updated = optimizer.step.total.completed - updates_before
            if _is_in_memory(data_fetcher):
                count_fetched(data_fetcher, ready - before)
            add_progress(self.batch_progress, ready - before, "started")
            add_progress(self.batch_progress, self._trained, "processed", "completed")
            add_progress(optimizer.step, ready // window - before // window, "ready")
            begun = -(-(before + self._trained) // window) - -(-before // window)
            add_progress(optimizer.zero_grad, begun, "ready", "started", "completed")
            self.logging_step += updated
            for take_losses in self._loss_takers:
                take_losses(losses)


def _is_in_memory(data_fetcher: DataFetcher) -> bool:
    """Whether the data is one loader of ours, and not a dict or a list of loaders."""
    return isinstance(data_fetcher.combined_loader.iterables, Minibatches)


def _until_multiple(of: int, count: int) -> int:
    """How far it is from a count to the next multiple."""
    return of - count % of
