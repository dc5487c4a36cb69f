"""The monitored metric of a run, and which validations count."""

from typing import Literal

import pytorch_lightning as pl

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list
from dlpipe.training.callbacks.divergence import divergence

Mode = Literal["min", "max"]
DEFAULT_MONITORS = ("val/error", "val/loss")


def monitored(trainer: pl.Trainer, monitor: str | None) -> tuple[str, float] | None:
    """Name and value of the monitored metric: rank 0's, so that all ranks decide alike; NaN while training diverges.

    Where no ``monitor`` is named: ``val/error``, else ``val/loss``, else None, for a module that logs neither.

    Raises:
        PluginError: ``monitor`` is named and was not logged.
    """
    own = {name: float(value) for name, value in trainer.callback_metrics.items()}
    metrics: dict[str, float] = trainer.strategy.broadcast(own)
    if monitor is None:
        name = next((name for name in DEFAULT_MONITORS if name in metrics), None)
        if name is None:
            return None
    elif monitor in metrics:
        name = monitor
    else:
        raise PluginError(
            f"recipe.monitor={monitor} was not logged; {did_you_mean(monitor, metrics)}"
            f"logged: {format_list(sorted(metrics))}"
        )
    return name, float("nan") if divergence(trainer) else metrics[name]


def is_better(value: float, best: float, mode: Mode) -> bool:
    """Strictly better; NaN is never better."""
    return value < best if mode == "min" else value > best


def worst(mode: Mode) -> float:
    """What every value is better than."""
    return float("inf") if mode == "min" else float("-inf")


def validation_is_due(trainer: pl.Trainer) -> bool:
    """Whether a validation is due after the current minibatch."""
    loop, every, epochs = trainer.fit_loop.epoch_loop, trainer.val_check_batch, trainer.check_val_every_n_epoch
    if not trainer.enable_validation or (epochs is not None and (trainer.current_epoch + 1) % epochs):
        return False
    if every is None or every == float("inf"):
        return loop.batch_progress.is_last_batch
    at = loop.total_batch_idx if epochs is None else loop.batch_idx
    return bool((at + 1) % every == 0)


def is_extra_validation(trainer: pl.Trainer) -> bool:
    """Whether Lightning validates only because training was told to stop.

    If such a validation counted, "best" would depend on when a run was stopped.
    """
    return trainer.should_stop and not validation_is_due(trainer)
