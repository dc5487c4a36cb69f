"""Stop a run whose numbers are no longer finite: the argmax of NaN is class 0, which may look like a good error."""

import itertools
import logging
import math
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from dlpipe.errors import DivergedError
from dlpipe.settings import OnNan
from dlpipe.training.callbacks.train_loss import EpochMeanLoss
from dlpipe.training.distributed.gather import gather_from_ranks

log = logging.getLogger(__name__)


class Divergence(pl.Callback):
    """At each validation and at the end of each epoch, look for NaN and infinity in losses, metrics and weights.

    It looks at the losses of training so far, at the monitored metric and every metric whose name ends in "loss" or
    "error", at the parameters and buffers that were finite when training started, and for NaN in the tensors that
    ``validation_step`` returns. Nothing is read in a training step.

    Args:
        on_nan: ``stop`` raises `DivergedError` at the first find; ``warn`` logs it and trains on.
        monitor: the monitored metric, if one is named.
    """

    def __init__(self, on_nan: OnNan, monitor: str | None = None) -> None:
        self.on_nan = on_nan
        self.monitor = monitor
        self.found: str | None = None  # by the last look
        self._finite_at_start: set[str] = set()
        self._nan_outputs: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note what is finite; a mask of -inf, or a buffer that waits for its first value, is not."""
        self._finite_at_start = {name for name, tensor in _state_of(pl_module) if _is_finite(tensor)}

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget what the last validation returned."""
        self._nan_outputs = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *arguments: Any
    ) -> None:
        """Note whether ``validation_step`` returned NaN, without reading it from the device."""
        values = outputs.values() if isinstance(outputs, dict) else [outputs]
        self._nan_outputs += [value.isnan().any() for value in values if isinstance(value, Tensor)]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look before the validation can be the best."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the epoch's mean loss, and at the weights after its last update."""
        self._look(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop or warn on all ranks if any of them finds something.

        Raises:
            DivergedError: it did, and ``on_nan`` is ``stop``.
        """
        own = next((f"{name} is {value}" for name, value in self._non_finite(trainer, module)), None)
        found = next(filter(None, gather_from_ranks(own)), None)
        if found:
            found = f"{found} in epoch {trainer.current_epoch + 1}, by update {trainer.global_step}: training diverged"
            if self.on_nan == "stop":
                raise DivergedError(f"{found} and is stopped; try a smaller recipe.lr (on_nan=warn would train on)")
            if not self.found:
                log.warning("%s; it goes on, since on_nan=warn, and no such validation is the best", found)
        self.found = found

    def _non_finite(self, trainer: pl.Trainer, module: pl.LightningModule) -> Iterator[tuple[str, float]]:
        values = [
            (name, value)
            for name, value in trainer.callback_metrics.items()
            # other metrics may be NaN by definition, such as the AUROC of examples of one class
            if name == self.monitor or name.endswith(("loss", "error"))
        ]
        sums = [callback.sum_so_far() for callback in trainer.callbacks if isinstance(callback, EpochMeanLoss)]  # type: ignore[attr-defined]
        values += [("the sum of the training losses", total) for total in sums]
        yield from ((name, float(value)) for name, value in values if not math.isfinite(value))
        if any(self._nan_outputs):
            yield "an output of validation_step", math.nan
        for name, tensor in _state_of(module):
            if name in self._finite_at_start and not _is_finite(tensor):
                yield name, math.nan if tensor.isnan().any() else math.inf


def divergence(trainer: pl.Trainer) -> str | None:
    """What the last look at the trainer's numbers found; None if they were finite."""
    found = (callback.found for callback in trainer.callbacks if isinstance(callback, Divergence))  # type: ignore[attr-defined]
    return next(found, None)


def _state_of(module: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    return itertools.chain(module.named_parameters(), module.named_buffers())


def _is_finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())
