"""Sums of `self.log` and of torchmetrics over the epoch so far, which Lightning does not save in a checkpoint."""

from typing import Any

import pytorch_lightning as pl
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torchmetrics import Metric

from dlpipe.training.lightning_private import keep_epoch_results, result_from_dict, result_to_dict, training_results

States = dict[str, dict[str, Any]]


def epoch_means(trainer: pl.Trainer) -> States:
    """Each mean (sum, minimum, maximum) that the epoch has logged so far, by Lightning's key."""
    return {
        key: result_to_dict(result)
        for key, result in training_results(trainer).items()
        if result.is_tensor and not result.has_reset and result.meta.sync.group is None
    }


def restore_epoch_means(trainer: pl.Trainer, states: States) -> None:
    """Put back what `epoch_means` returned."""
    if states:
        keep_epoch_results(trainer)
    results = training_results(trainer)
    for key, state in states.items():
        results[key] = result_from_dict(state, trainer.strategy)


def metric_states(module: pl.LightningModule) -> dict[str, dict[str, Any]]:
    """The states of a module's torchmetrics, which are not in its state_dict, by their path."""
    return {path: _state_of(part) for path, part in module.named_modules() if isinstance(part, Metric)}


def restore_metric_states(module: pl.LightningModule, saved: dict[str, dict[str, Any]]) -> None:
    """Put back what `metric_states` returned."""
    for path, part in module.named_modules():
        for name, value in saved.get(path, {}).items():
            setattr(part, name, apply_to_collection(value, Tensor, lambda tensor: tensor.to(part.device)))  # noqa: B023


def _state_of(metric: Metric) -> dict[str, Any]:
    own = {name: getattr(metric, name) for name in (*metric._defaults, "_update_count")}
    return apply_to_collection(own, Tensor, lambda tensor: tensor.detach().clone())  # type: ignore[no-any-return]
