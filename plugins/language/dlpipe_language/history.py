"""Early stopping on the history of validations."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pytorch_lightning as pl


@dataclass
class History:
    """The values of all validations, smaller is better, and whether to stop.

    A value is bad if it is no better than the best of those ``patience`` or more validations ago. A new best, or one as
    good, resets the number of bad values to 0; more than ``patience`` bad values stop training.

    Source: "LSTM Networks for Sentiment Analysis", ``train_lstm``.
    """

    patience: int
    values: list[float] = field(default_factory=list)
    num_bad: int = 0

    def validated(self, value: float) -> bool:
        """Add the value of a validation; returns whether to stop."""
        self.values.append(value)
        if value <= min(self.values):
            self.num_bad = 0
        if len(self.values) > self.patience and value >= min(self.values[: -self.patience]):
            self.num_bad += 1
            return self.num_bad > self.patience
        return False


class HistoryStopping(pl.Callback):
    """Validate every N updates, counted across epochs, and stop by the `History` of the monitored metric.

    Args:
        monitor: the metric; smaller is better.
        patience: number of validations, see `History`. None never stops.
        every: updates between validations; if training is shorter, it is validated at its end. None, or a setting of
            the trainer such as ``val_check_interval``, leaves the trainer's schedule as it is.
    """

    def __init__(self, monitor: str, patience: int | None, every: int | None) -> None:
        self.monitor = monitor
        self.every = every
        self.history = History(patience) if patience else None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set when to validate."""
        has_own_schedule = trainer.val_check_interval != 1.0 or trainer.check_val_every_n_epoch != 1
        if self.every is None or has_own_schedule:
            return
        ends = [trainer.max_steps * trainer.accumulate_grad_batches]
        ends.append(int(trainer.num_training_batches * (trainer.max_epochs or 1)))  # negative means no limit
        batches = self.every * trainer.accumulate_grad_batches
        trainer.val_check_batch = min([batches, *(end for end in ends if end > 0)])
        trainer.check_val_every_n_epoch = None  # count across epochs

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the new value, and stop if it is time."""
        if self.history is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor]))  # all ranks decide alike
        if self.history.validated(value):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The values so far."""
        return {"history": asdict(self.history) if self.history else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.history = History(**state_dict["history"]) if state_dict["history"] else None
