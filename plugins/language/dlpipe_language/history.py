"""Early stopping on the history of validations."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pytorch_lightning as pl


@dataclass
class History:
    """Values of validations so far, smaller is better; says when they have not got better for long enough.

    A value that is no better than the best of those that lie ``patience`` or more validations back is a bad one; the
    best so far, or one as good, sets the number of bad ones back to 0; more than ``patience`` bad ones end training.

    Source: "LSTM Networks for Sentiment Analysis", ``train_lstm``.
    """

    patience: int
    values: list[float] = field(default_factory=list)
    num_bad: int = 0

    def validated(self, value: float) -> bool:
        """Take the value of a validation; whether training ends."""
        self.values.append(value)
        if value <= min(self.values):
            self.num_bad = 0
        if len(self.values) > self.patience and value >= min(self.values[: -self.patience]):
            self.num_bad += 1
            return self.num_bad > self.patience
        return False


class HistoryStopping(pl.Callback):
    """Validate every so many updates, counted over epochs, and stop by the `History` of what is monitored.

    Args:
        monitor: the metric; smaller is better.
        patience: validations; see `History`. None never stops.
        every: updates between validations, where training has as many, else it has one at its end; None, or a
            schedule of the trainer's own, leaves them where they are.
    """

    def __init__(self, monitor: str, patience: int | None, every: int | None) -> None:
        self.monitor = monitor
        self.every = every
        self.history = History(patience) if patience else None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Place the validations."""
        has_own_schedule = trainer.val_check_interval != 1.0 or trainer.check_val_every_n_epoch != 1
        if self.every is None or has_own_schedule:
            return
        ends = [trainer.max_steps * trainer.accumulate_grad_batches]
        ends.append(int(trainer.num_training_batches * (trainer.max_epochs or 1)))  # either is negative for no end
        batches = self.every * trainer.accumulate_grad_batches
        trainer.val_check_batch = min([batches, *(end for end in ends if end > 0)])
        trainer.check_val_every_n_epoch = None  # count over epochs

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the new value."""
        if self.history is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor]))  # all ranks judge alike
        if self.history.validated(value):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The history."""
        return {"history": asdict(self.history) if self.history else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.history = History(**state_dict["history"]) if state_dict["history"] else None
