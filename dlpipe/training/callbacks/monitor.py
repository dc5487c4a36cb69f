"""The monitored metric of a run, and which validations count."""

import logging
import re
from typing import Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list
from dlpipe.training.callbacks.divergence import divergence
from dlpipe.training.lightning_private import logged_in_validation

log = logging.getLogger(__name__)
Mode = Literal["min", "max"]
DEFAULT_MONITORS = ("val/error", "val/loss", "val_loss")
SEVERAL = re.compile("/dataloader_idx_")  # Lightning adds it to a metric of one of several DataLoaders
MORE_IS_BETTER = {"acc", "accuracy", "auc", "auroc", "f1", "iou", "miou", "dice", "precision", "recall", "map", "r2"}


class MonitorError(PluginError):
    """The named metric was not logged, so no validation could be the best."""


def monitored(trainer: pl.Trainer, monitor: str | None) -> tuple[str, float] | None:
    """Name and value of the monitored metric: rank 0's, so that all ranks decide alike; NaN while training diverges.

    Where no ``monitor`` is named: ``val/error``, else ``val/loss``, else ``val_loss``, else None.

    Raises:
        MonitorError: ``monitor`` is named and was not logged.
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
        raise MonitorError(
            f"recipe.monitor={monitor} was not logged; {did_you_mean(monitor, metrics)}"
            f"logged: {format_list(sorted(metrics))}"
        )
    return name, float("nan") if divergence(trainer) else metrics[name]


def check_monitor(trainer: pl.Trainer, module: pl.LightningModule, monitor: str, mode: Mode) -> None:
    """Refuse a named metric where nothing is validated; warn of one that sounds as if more of it were better.

    Raises:
        MonitorError: the module has no ``validation_step``, or the dataset no validation data.
    """
    data, message = trainer.datamodule, f"recipe.monitor={monitor} needs a validation"  # type: ignore[attr-defined]
    if not is_overridden("validation_step", module, pl.LightningModule):
        raise MonitorError(f"{message}: {type(module).__name__} has no validation_step")
    has_data = data is None or is_overridden("val_dataloader", data, pl.LightningDataModule)
    if not has_data and not is_overridden("val_dataloader", module, pl.LightningModule):
        raise MonitorError(f"{message}: {type(data).__name__} has no val_dataloader")
    if mode == "min" and MORE_IS_BETTER & set(re.split(r"[^a-z0-9]+", monitor.lower())):
        log.warning(
            "recipe.monitor=%s: the lowest value is the best, as recipe.monitor_mode=min says; "
            "set recipe.monitor_mode=max if more is better",
            monitor,
        )


def log_unmonitored(trainer: pl.Trainer) -> None:
    """Say which metrics a validation logged, none of which is monitored, and how to choose one."""
    names = list(validation_metrics(trainer))
    choose = (
        f": choose one with recipe.monitor={names[0]}, and recipe.monitor_mode=max if more is better" if names else ""
    )
    message = "no metric is monitored, so the last weights count as the best; the validation logs %s%s"
    log.info(message, format_list(names), choose)


def validation_metrics(trainer: pl.Trainer) -> dict[str, float]:
    """Every metric that the last validation logged, by name."""
    logged = logged_in_validation(trainer)
    return {name: float(value) for name, value in trainer.callback_metrics.items() if SEVERAL.split(name)[0] in logged}


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
