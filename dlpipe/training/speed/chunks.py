"""Several minibatches for one step of Lightning's loop.

Around one minibatch of a small model Lightning does several times the work of the model itself: hooks, progress,
profiler contexts, optimizer wrappers (benchmarks/ measures it). Here all but the last minibatch of a chunk
are trained by the bare loop that one would write by hand, and the last takes Lightning's own way, so that whoever looks
sees a trainer that has made so many updates. This file relies on private names of Lightning, as
`dlpipe.training.resume` does; tests/training/speed pin what they do.
"""

import contextlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from pytorch_lightning.loops.fetchers import _DataFetcher, _DataLoaderIterDataFetcher
from pytorch_lightning.loops.optimization.automatic import _AutomaticOptimization
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor
from torch.optim import Optimizer

from dlpipe.data.minibatches import Minibatches
from dlpipe.training.resume.loops import ResumableEpochLoop
from dlpipe.training.speed.chunk_support import SupportsChunks, reason_chunks_disabled
from dlpipe.training.speed.updates import FusedUpdates

log = logging.getLogger(__name__)
# a chunk ends here too, so that the progress bar, a time limit or a signal wait no longer than this
SECONDS = 0.2


@runtime_checkable
class TakesLosses(Protocol):
    """A callback that wants the losses of the minibatches that its hooks were not called for."""

    def on_minibatches(self, losses: list[Tensor]) -> None:
        """Take them, in order, each a scalar."""


def take_chunks(trainer: pl.Trainer, size: int, seed: int | None = None) -> "ChunkedEpochLoop":
    """Let the trainer step over up to ``size`` minibatches at once; ``seed`` as in `ResumableEpochLoop`."""
    old = trainer.fit_loop.epoch_loop
    loop = ChunkedEpochLoop(trainer, size, seed, min_steps=old.min_steps, max_steps=old.max_steps)
    trainer.fit_loop.epoch_loop = loop
    return loop


class ChunkedEpochLoop(ResumableEpochLoop):
    """Lightning's loop over an epoch, with `advance` preceded by the minibatches nobody has to see.

    Args:
        trainer: whose loop it is.
        size: minibatches of a chunk at most; becomes 1 where something needs every minibatch.
        seed: of random draws.
        limits: Lightning's ``min_steps`` and ``max_steps``.
    """

    def __init__(self, trainer: pl.Trainer, size: int, seed: int | None = None, **limits: Any) -> None:
        super().__init__(trainer, seed, **limits)
        self.automatic_optimization = OptimizationByFusedUpdates(trainer)
        self.size = size
        self.reason_chunks_disabled: str | None = None
        self._judged = False
        # of the trainer; whether a callback fits a protocol takes long to find out
        self._seeing_chunks: list[SupportsChunks] = []
        self._taking_losses: list[TakesLosses] = []

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Train a chunk; its last minibatch, and the first of a fit, Lightning's way."""
        if not self._judged:
            self._judge(data_fetcher)
        elif self.size > 1 and not self.restarting and (count := self._num_fast_batches()) > 0:
            self._run_fast_loop(data_fetcher, count)
        super().advance(data_fetcher)

    def _judge(self, data_fetcher: _DataFetcher) -> None:
        self._judged = True
        self._seeing_chunks = [callback for callback in self.trainer.callbacks if isinstance(callback, SupportsChunks)]
        self._taking_losses = [callback for callback in self.trainer.callbacks if isinstance(callback, TakesLosses)]
        if self.size > 1:
            if isinstance(data_fetcher, _DataLoaderIterDataFetcher):
                self.reason_chunks_disabled = "training_step takes the iterator of the data"
            elif self.trainer.num_training_batches == math.inf:
                self.reason_chunks_disabled = "the training data has no length"
            else:
                self.reason_chunks_disabled = reason_chunks_disabled(self.trainer, self.trainer.lightning_module)
        if self.reason_chunks_disabled:
            log.info("every minibatch goes through Lightning's loop by itself: %s", self.reason_chunks_disabled)
            self.size = 1

    def _num_fast_batches(self) -> int:
        """How many minibatches there are before the one after which something happens."""
        trainer, progress = self.trainer, self.batch_progress
        left = [self.size, trainer.num_training_batches - progress.current.ready]
        if trainer.loggers and trainer.log_every_n_steps and not fused_updates(trainer).silent:
            left.append(_until_multiple(trainer.log_every_n_steps, self._batches_that_stepped))
        if self.max_steps != -1:
            left.append(self.max_steps - self.global_step)
        if trainer.val_check_batch not in (None, math.inf):
            counted = progress.total if trainer.check_val_every_n_epoch is None else progress.current
            left.append(_until_multiple(int(trainer.val_check_batch), counted.ready))
        left += [callback.next_update() - self.global_step for callback in self._seeing_chunks]
        return int(min(left)) - 1

    def _run_fast_loop(self, data_fetcher: _DataFetcher, count: int) -> None:
        """The loop one would write by hand, over at most ``count`` minibatches."""
        trainer, module = self.trainer, self.trainer.lightning_module
        training_step, optimizer = module.training_step, trainer.optimizers[0]
        wants_index = is_param_in_hook_signature(training_step, "batch_idx", min_args=2)
        fused = fused_updates(trainer)
        fused.begin()
        scheduled = any(config.interval == "step" for config in trainer.lr_scheduler_configs)
        batches, updates = self.batch_progress, self.automatic_optimization.optim_progress.optimizer.step
        losses: list[Tensor] = []
        deadline = time.perf_counter() + SECONDS
        with trainer.precision_plugin.train_step_context(), self._logging_later(), self._sync_progress_counters(losses):
            for batch in self._minibatches(data_fetcher, count):
                # what the module and schedules can see is right at every step, the other counts at the end
                batches.total.ready += 1
                batches.current.ready += 1
                loss = fused.train(batch)
                if loss is None:
                    output = training_step(batch, self.batch_idx) if wants_index else training_step(batch)
                    loss = output["loss"] if isinstance(output, dict) else output
                    _clear_gradients(optimizer)
                    if loss is not None:
                        loss.backward()
                        loss = loss.detach()
                    optimizer.step()
                if loss is not None:
                    losses.append(loss)
                updates.total.completed += 1
                updates.current.completed += 1
                if scheduled:
                    self.update_lr_schedulers("step", update_plateau_schedulers=False)
                if time.perf_counter() > deadline:
                    break

    def _minibatches(self, data_fetcher: _DataFetcher, count: int) -> Iterator[Any]:
        """The next minibatches on the device; from resident tensors without Lightning's fetching around each."""
        trainer, module = self.trainer, self.trainer.lightning_module
        loaders, cycle = data_fetcher.combined_loader.flattened, data_fetcher.combined_loader._iterator
        resident = len(loaders) == 1 and isinstance(loaders[0], Minibatches)
        for _ in range(count):
            if resident:
                batch = next(cycle.iterators[0])  # type: ignore[union-attr]
                cycle._idx += 1  # type: ignore[union-attr]
                data_fetcher.fetched += 1
            else:
                batch, _, _ = next(data_fetcher)
                batch = module._on_before_batch_transfer(batch, dataloader_idx=0)
                batch = trainer.strategy.batch_to_device(batch, dataloader_idx=0)
            self._batch = batch
            yield batch

    @contextlib.contextmanager
    def _logging_later(self) -> Iterator[None]:
        """Let `self.log` in a training_step keep what an epoch's mean needs.

        What is logged of a single step is seen of the last minibatch alone, and a chunk ends where it is.
        """
        trainer, module = self.trainer, self.trainer.lightning_module
        log = module.log

        def log_means(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
            if kwargs.get("on_epoch"):
                trainer._logger_connector.on_batch_start(self._batch)
                module._current_fx_name = "training_step"
                log(name, value, *args, **kwargs)
                module._current_fx_name = None

        module.log = log_means
        try:
            yield
        finally:
            del module.log

    @contextlib.contextmanager
    def _sync_progress_counters(self, losses: list[Tensor]) -> Iterator[None]:
        """Bring Lightning's other counts to where they are after so many minibatches, also when one raised."""
        optimizer = self.automatic_optimization.optim_progress.optimizer
        begun_before, made_before = self.batch_progress.total.ready, optimizer.step.total.completed
        try:
            yield
        finally:
            begun = self.batch_progress.total.ready - begun_before
            made = optimizer.step.total.completed - made_before
            _add(begun, self.batch_progress, "started")
            _add(made, self.batch_progress, "processed", "completed")
            _add(begun, optimizer.step, "ready")
            _add(made, optimizer.zero_grad, "ready", "started", "completed")
            self._batches_that_stepped += made
            for callback in self._taking_losses:
                callback.on_minibatches(losses)


class OptimizationByFusedUpdates(_AutomaticOptimization):
    """Lightning's way with one minibatch, where a fused update does not do for all of it."""

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """Update for the minibatch in ``kwargs``."""
        fused = fused_updates(self.trainer)
        fused.begin()
        loss = fused.train(kwargs["batch"]) if "batch" in kwargs else None
        if loss is None:
            return super().run(optimizer, batch_idx, kwargs)
        progress = self.optim_progress.optimizer
        _add(1, progress.step, "ready", "completed")
        _add(1, progress.zero_grad, "ready", "started", "completed")
        return {"loss": loss}


def fused_updates(trainer: pl.Trainer) -> FusedUpdates:
    """The trainer's, or one that never applies."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, FusedUpdates)), FusedUpdates())  # type: ignore[attr-defined]


def _clear_gradients(optimizer: Optimizer) -> None:
    """``optimizer.zero_grad()`` without its profiler, which takes longer than the rest."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _until_multiple(of: int, count: int) -> int:
    """How far it is from a count to the next multiple."""
    return of - count % of


def _add(count: int, progress: Any, *names: str) -> None:
    for counts in (progress.total, progress.current):
        for name in names:
            setattr(counts, name, getattr(counts, name) + count)
