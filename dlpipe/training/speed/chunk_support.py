"""What needs Lightning's loop at every minibatch, and so disables chunks."""

import inspect
from typing import Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden

# hooks that Lightning calls for every minibatch; a module or callback that overrides one disables chunks
CALLBACK_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
MODULE_HOOKS = (
    *CALLBACK_HOOKS,
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
    "backward",
    "optimizer_step",
    "optimizer_zero_grad",
    "configure_gradient_clipping",
    "lr_scheduler_step",
)


@runtime_checkable
class SupportsChunks(Protocol):
    """A callback whose hooks of every minibatch may be called for the last one of each chunk only."""

    def next_update(self) -> float:
        """The next count of updates after which its hooks have to be called; infinity for any."""


def reason_chunks_disabled(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    """What needs Lightning's loop at every minibatch; None where chunks give the same numbers."""
    strategy, precision = trainer.strategy, trainer.precision_plugin
    for hook in MODULE_HOOKS:
        if is_overridden(hook, module, pl.LightningModule):
            return f"{type(module).__name__} overrides {hook}"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        hooks = [hook for hook in CALLBACK_HOOKS if is_overridden(hook, callback, pl.Callback)]
        if hooks and not isinstance(callback, SupportsChunks):
            return f"{type(callback).__name__} overrides {hooks[0]}"
    reasons = {
        "the module optimizes by hand": not module.automatic_optimization,
        "gradients are accumulated": trainer.accumulate_grad_batches != 1,
        "gradients are clipped": trainer.gradient_clip_val is not None,
        f"the strategy is {type(strategy).__name__}": type(strategy) is not SingleDeviceStrategy,
        "the precision scales gradients": not (
            type(precision) is Precision or (type(precision) is MixedPrecision and precision.scaler is None)
        ),
        "the optimizer evaluates the loss itself": any(_needs_closure(optimizer) for optimizer in trainer.optimizers),
        "an LR scheduler monitors a metric at every update": any(
            config.interval == "step" and config.reduce_on_plateau for config in trainer.lr_scheduler_configs
        ),
        "a profiler is on": type(trainer.profiler) is not PassThroughProfiler,  # type: ignore[attr-defined]
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
