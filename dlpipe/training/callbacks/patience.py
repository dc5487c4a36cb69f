"""Early stopping by geometric patience, as the tutorials do it."""

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pytorch_lightning as pl
from pydantic import Field

from dlpipe.figures import predict_batch
from dlpipe.training.callbacks.monitor import Mode, is_better, is_extra_validation, monitored, validation_is_due, worst
from dlpipe.training.callbacks.significance import McNemarTest, labels_of


@dataclass
class Patience:
    """The tutorials' patience, counted in updates from 0; pure, so that a test can compare it with an oracle.

    A validation that is better than the best by more than the threshold (0.995: by 0.5 per cent of the best)
    after update ``i`` raises patience to at least ``i * increase``. Training ends after the first update
    ``i`` with ``patience <= i``, which may be in mid-epoch.

    Source: the tutorials' "Getting Started", section "Early-Stopping".
    """

    patience: float
    increase: float
    threshold: float
    mode: Mode
    best: float

    def validated(self, update: int, value: float, significant: bool | None = None) -> None:
        """Take the value of a validation after ``update``; ``significant`` replaces the threshold where it is given."""
        if not is_better(value, self.best, self.mode):
            return
        if significant is None:
            bound = self.best * self.threshold if self.mode == "min" else self.best / self.threshold
            significant = is_better(value, bound, self.mode)
        if significant:
            self.patience = max(self.patience, update * self.increase)
        self.best = value

    def is_exhausted(self, update: int) -> bool:
        """Whether training ends after ``update``."""
        return self.patience <= update


class GeometricPatience(pl.Callback):
    """Validate every ``min(updates an epoch, patience // 2)`` updates and stop when patience runs out.

    Lightning's EarlyStopping counts checks; the tutorials' patience counts updates and grows geometrically.
    Without patience (null), validation is once an epoch and nothing stops early. An explicit
    ``+trainer.val_check_interval`` or ``+trainer.check_val_every_n_epoch`` is kept.

    Args:
        patience: updates to train at least; null never stops.
        patience_increase: a significant improvement after update i gives time until i * patience_increase.
        improvement_threshold: an improvement is significant below best * improvement_threshold.
        significance: instead of by the threshold, an improvement is significant when McNemar's test over the validation
            examples gives a p-value below this; null keeps the tutorials' threshold.
        monitor: the metric; null means val/error, else val/loss, else val_loss.
        mode: whether less or more of it is better.
    """

    def __init__(
        self,
        patience: Annotated[int, Field(gt=0)] | None,
        patience_increase: float = 2.0,
        improvement_threshold: float = 0.995,
        significance: Annotated[float, Field(gt=0, lt=1)] | None = None,
        monitor: str | None = None,
        mode: Mode = "min",
    ) -> None:
        self.mcnemar = McNemarTest(significance) if significance is not None else None
        self.monitor = monitor
        self.initial = patience
        self.state = Patience(patience or 0, patience_increase, improvement_threshold, mode, worst(mode))
        self.stopped = False
        self._limit_val_batches: int | float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the validation interval."""
        batches = trainer.num_training_batches
        has_explicit_interval = trainer.val_check_interval != 1.0 or trainer.check_val_every_n_epoch != 1
        if self.initial is None or has_explicit_interval or batches == float("inf"):
            return
        batches_an_update = trainer.accumulate_grad_batches
        every = min(batches, max(1, self.initial // 2) * batches_an_update)
        trainer.val_check_batch = int(every)
        trainer.check_val_every_n_epoch = None  # count over epochs, as (iter + 1) % validation_frequency does

    def next_update(self) -> float:
        """Training may end after the update numbered patience, counted from 0."""
        return float("inf") if self.initial is None else math.ceil(self.state.patience) + 1

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here unless a validation after this very update may still raise patience."""
        if self.initial is None or validation_is_due(trainer):
            return
        self._stop_if_exhausted(trainer)
        if self.stopped:  # Lightning would validate once more, which the tutorials do not
            self._limit_val_batches, trainer.limit_val_batches = trainer.limit_val_batches, 0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start noting which examples are right."""
        if self.mcnemar:
            self.mcnemar.start()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *index: Any
    ) -> None:
        """Note which examples of a batch are right, where improvements are tested."""
        if self.mcnemar:
            self.mcnemar.add(predict_batch(pl_module, batch, index[0]), labels_of(batch))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the new value, then stop if patience has run out."""
        if trainer.sanity_checking or self.initial is None or is_extra_validation(trainer):
            return
        found = monitored(trainer, self.monitor)
        if found and trainer.state.fn == "fit":
            better = is_better(found[1], self.state.best, self.state.mode)
            significant = trainer.strategy.broadcast(self.mcnemar.improves()) if self.mcnemar and better else None
            self.state.validated(trainer.global_step - 1, found[1], significant)
            self._stop_if_exhausted(trainer)

    def _stop_if_exhausted(self, trainer: pl.Trainer) -> None:
        if self.state.is_exhausted(trainer.global_step - 1):
            self.stopped = True
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the trainer validate again."""
        if self._limit_val_batches is not None:
            trainer.limit_val_batches, self._limit_val_batches = self._limit_val_batches, None

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, and which examples the reference of the test has right."""
        reference = self.mcnemar.reference if self.mcnemar else None
        return {"patience": asdict(self.state), "reference": reference, "stopped": self.stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`, with more patience if the run was resumed with more."""
        self.state, self.stopped = Patience(**state_dict["patience"]), state_dict["stopped"]
        if self.initial is None or self.initial > self.state.patience:
            self.state.patience, self.stopped = self.initial or 0, False
        if self.mcnemar:
            self.mcnemar.reference = state_dict["reference"]
