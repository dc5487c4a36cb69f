"""What `self.log` and torchmetrics have added up in an epoch so far, which Lightning keeps in no checkpoint."""

import dataclasses
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync
from torch import Tensor
from torchmetrics import Metric

Saved = dict[str, dict[str, Any]]


def epoch_means(trainer: pl.Trainer) -> Saved:
    """How each mean (sum, minimum, maximum) was logged, with its sum and weight, by Lightning's key."""
    return {
        key: {
            "meta": {field.name: getattr(result.meta, field.name) for field in dataclasses.fields(result.meta)}
            | {"reduce_fx": result.meta.reduce_fx.__name__, "_sync": None},
            "sync_dist": result.meta.sync.should,
            "rank_zero_only": result.meta.sync.rank_zero_only,
            "updates": result._update_count,
            "value": result.value.detach().clone(),
            "weight": getattr(result, "cumulated_batch_size", None),
        }
        for key, result in trainer.fit_loop.epoch_loop._results.items()
        if result.is_tensor and not result.has_reset and result.meta.sync.group is None
    }


def restore_epoch_means(trainer: pl.Trainer, saved: Saved) -> None:
    """Have the epoch's results as they were."""
    if saved:  # the next minibatch is not the epoch's first, at which they would be reset
        trainer._logger_connector._first_loop_iter = True
    results, strategy = trainer.fit_loop.epoch_loop._results, trainer.strategy
    for key, own in saved.items():
        meta = _Metadata(**own["meta"])
        meta.sync = _Sync(_should=own["sync_dist"], fn=strategy.reduce, rank_zero_only=own["rank_zero_only"])
        result = results[key] = _ResultMetric(meta, True).to(strategy.root_device)
        result.value, result._update_count = own["value"].to(strategy.root_device), own["updates"]
        if own["weight"] is not None:
            result.cumulated_batch_size = torch.as_tensor(own["weight"]).to(strategy.root_device)


def metric_states(module: pl.LightningModule) -> dict[str, dict[str, Any]]:
    """The states of a module's torchmetrics, which are not in its state_dict, by their path."""
    return {path: _state_of(part) for path, part in module.named_modules() if isinstance(part, Metric)}


def restore_metric_states(module: pl.LightningModule, saved: dict[str, dict[str, Any]]) -> None:
    """Have them as they were."""
    for path, part in module.named_modules():
        for name, value in saved.get(path, {}).items():
            setattr(part, name, apply_to_collection(value, Tensor, lambda tensor: tensor.to(part.device)))  # noqa: B023


def _state_of(metric: Metric) -> dict[str, Any]:
    own = {name: getattr(metric, name) for name in (*metric._defaults, "_update_count")}
    return apply_to_collection(own, Tensor, lambda tensor: tensor.detach().clone())  # type: ignore[no-any-return]
