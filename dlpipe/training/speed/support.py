"""What needs Lightning or autograd at every minibatch, and so disables chunks or fused updates."""

import inspect
import math
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe.contract import optional_method
from dlpipe.training.lightning_private import DataFetcher, IteratorFetcher
from dlpipe.training.speed.gradient_step import has_hooks_before_step

# around so many, Python and autograd take a small part of the time; the comparison at the first update copies them
MOST_WEIGHTS = 20_000_000
# hooks that read or change a gradient, or the optimizer's step
GRADIENT_HOOKS = (
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "backward",
    "optimizer_step",
    "optimizer_zero_grad",
    "configure_gradient_clipping",
)
# all hooks that Lightning calls for every minibatch
BATCH_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    *GRADIENT_HOOKS,
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
    "lr_scheduler_step",
)


def reason_not_chunked(trainer: pl.Trainer, data_fetcher: DataFetcher) -> str | None:
    """What needs Lightning's loop at every minibatch; None where chunks give the same numbers."""
    module, strategy, precision = trainer.lightning_module, trainer.strategy, trainer.precision_plugin
    callbacks = [c for c in trainer.callbacks if not optional_method(c, "next_update")]  # type: ignore[attr-defined]
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    return _overridden_hook(BATCH_HOOKS, module, callbacks, datamodule) or _first_that_holds(
        {
            "training_step takes the iterator of the data": isinstance(data_fetcher, IteratorFetcher),
            "the training data has no length": trainer.num_training_batches == math.inf,
            "the module optimizes by hand": not module.automatic_optimization,
            f"the strategy is {type(strategy).__name__}": type(strategy) is not SingleDeviceStrategy,
            "the precision scales gradients": not (
                type(precision) is Precision or (type(precision) is MixedPrecision and precision.scaler is None)
            ),
            "the optimizer evaluates the loss itself": any(map(_needs_closure, trainer.optimizers)),
            "the optimizer has hooks that precede its step": any(map(has_hooks_before_step, trainer.optimizers)),
            "an LR scheduler monitors a metric at every update": any(
                config.interval == "step" and config.reduce_on_plateau for config in trainer.lr_scheduler_configs
            ),
            "a profiler is on": type(trainer.profiler) is not PassThroughProfiler,  # type: ignore[attr-defined]
        }
    )


def reason_not_fused(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    """What needs autograd or the optimizer at every update, seen before any step is traced; None where nothing does.

    A module says by ``can_be_fused = False`` that tracing its step gains nothing.
    """
    if not getattr(module, "can_be_fused", True):
        return f"{type(module).__name__} is as fast without"
    if hook := _overridden_hook(GRADIENT_HOOKS, module, trainer.callbacks):  # type: ignore[attr-defined]
        return hook
    if len(trainer.optimizers) != 1 or not module.automatic_optimization:
        return "the module does not leave its updates to one optimizer"
    (optimizer,), own = trainer.optimizers, set(module.parameters())
    return _first_that_holds(
        {
            "there is nothing to update": not optimizer.param_groups,  # Lightning's stand-in for no optimizer
            "the optimizer evaluates the loss itself": _needs_closure(optimizer),
            f"it gains nothing for more than {MOST_WEIGHTS:,} weights": _num_weights(optimizer) > MOST_WEIGHTS,
            "several devices exchange gradients": type(trainer.strategy) is not SingleDeviceStrategy,
            "the precision is mixed": type(trainer.precision_plugin) is not Precision,
            "the optimizer has parameters that are not the module's": any(
                parameter not in own for group in optimizer.param_groups for parameter in group["params"]
            ),
        }
    )


def _overridden_hook(
    hooks: Iterable[str],
    module: pl.LightningModule,
    callbacks: Iterable[pl.Callback],
    datamodule: pl.LightningDataModule | None = None,
) -> str | None:
    owners: list[tuple[Any, type[Any]]] = [(module, pl.LightningModule), *((c, pl.Callback) for c in callbacks)]
    if datamodule is not None:
        owners.append((datamodule, pl.LightningDataModule))
    for owner, base in owners:
        for hook in hooks:
            if hasattr(base, hook) and is_overridden(hook, owner, base):
                return f"{type(owner).__name__} overrides {hook}"
    return None


def _num_weights(optimizer: torch.optim.Optimizer) -> int:
    weights = (parameter for group in optimizer.param_groups for parameter in group["params"])
    return sum(weight.numel() for weight in weights if not torch.nn.parameter.is_lazy(weight))


def _first_that_holds(reasons: dict[str, bool]) -> str | None:
    return next((reason for reason, holds in reasons.items() if holds), None)


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
