"""Attach the composed optimizer and LR scheduler to a module that configures none itself."""

from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import get_class
from omegaconf import DictConfig
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dlpipe.contract import optional_method
from dlpipe.training.build import options_of
from dlpipe.training.callbacks.monitor import DEFAULT_MONITORS


def has_own_optimizer(model: type[pl.LightningModule] | pl.LightningModule) -> bool:
    """Whether the class defines ``configure_optimizers`` itself."""
    cls = model if isinstance(model, type) else type(model)
    return cls.configure_optimizers is not pl.LightningModule.configure_optimizers


def build_optimizer(model: pl.LightningModule, node: DictConfig) -> torch.optim.Optimizer:
    """The composed optimizer over the module's own ``parameter_groups()``, or one group of all its parameters.

    A penalty l2 * sum(W^2) arrives as a group's ``weight_decay`` of 2 * l2; what ``optimizer.weight_decay``
    asks for comes on top of it.

    Raises:
        ValueError: torch refuses a value, or the optimizer takes no parameter groups.
    """
    cls, options = get_class(node._target_), options_of(node)
    groups: list[dict[str, Any]] = [{"params": [p for p in model.parameters() if p.requires_grad]}]
    if own := optional_method(model, "parameter_groups"):
        groups = [dict(group) for group in own()]
        for group in groups:
            if "weight_decay" in group:
                group["weight_decay"] += float(options.get("weight_decay", 0.0))
    return cls(groups, **options)  # type: ignore[no-any-return]


def build_scheduler(optimizer: torch.optim.Optimizer, node: DictConfig, monitor: str | None) -> dict[str, Any] | None:
    """The composed LR scheduler in the form Lightning takes; None for ``scheduler=none``.

    ``interval`` says what it counts: ``epoch`` or ``step``, which is an update.
    """
    if "_target_" not in node:
        return None
    options = options_of(node)
    interval = options.pop("interval")
    scheduler = get_class(node._target_)(optimizer, **options)
    watched = {"monitor": monitor or DEFAULT_MONITORS[0]} if isinstance(scheduler, ReduceLROnPlateau) else {}
    return {"scheduler": scheduler, "interval": interval, **watched}


def attach_optimizer(
    model: pl.LightningModule, optimizer_node: DictConfig, scheduler_node: DictConfig, monitor: str | None
) -> None:
    """Let a module without ``configure_optimizers`` train with the composed optimizer and LR scheduler."""
    if has_own_optimizer(model):
        return

    def configure_optimizers() -> Any:
        optimizer = build_optimizer(model, optimizer_node)
        scheduler = build_scheduler(optimizer, scheduler_node, monitor)
        return {"optimizer": optimizer, "lr_scheduler": scheduler} if scheduler else optimizer

    # Lightning looks the hook up on the instance, so a module needs no base class of ours
    model.configure_optimizers = configure_optimizers  # type: ignore[method-assign]
