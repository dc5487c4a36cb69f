"""What needs autograd, the optimizer or Lightning's hooks at every update, so that no traced step replaces them."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

# hooks that read or change a gradient, or the optimizer's step
GRADIENT_HOOKS = (
    "backward",
    "configure_gradient_clipping",
    "on_after_backward",
    "on_before_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "optimizer_step",
    "optimizer_zero_grad",
)


def reason_not_fused(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    """Why updates cannot be fused, before any step is traced; None where they can.

    A module says by ``can_be_fused = False`` that tracing its step gains nothing.
    """
    if not getattr(module, "can_be_fused", True):
        return f"{type(module).__name__} is as fast without"
    return _overridden_hook(trainer, module) or _unsupported_optimizer(trainer, module)


def _overridden_hook(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    for hook in GRADIENT_HOOKS:
        if is_overridden(hook, module, pl.LightningModule):
            return f"{type(module).__name__} overrides {hook}"
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if hook in vars(pl.Callback) and is_overridden(hook, callback, pl.Callback):
                return f"{type(callback).__name__} overrides {hook}"
    return None


def _unsupported_optimizer(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    optimizers = trainer.optimizers
    if len(optimizers) != 1 or type(optimizers[0]) is not torch.optim.SGD or not module.automatic_optimization:
        return "only torch.optim.SGD is replaced"
    groups = optimizers[0].param_groups
    for option in ("momentum", "maximize", "differentiable"):
        if any(group[option] for group in groups):
            return f"SGD has {option}"
    own = set(module.parameters())
    reasons = {
        "gradients are clipped": trainer.gradient_clip_val is not None,
        "gradients are accumulated": trainer.accumulate_grad_batches != 1,
        "several devices exchange gradients": type(trainer.strategy) is not SingleDeviceStrategy,
        "the precision is mixed": type(trainer.precision_plugin) is not Precision,
        "the learning rate is a tensor": any(isinstance(group["lr"], Tensor) for group in groups),
        "the optimizer has parameters that are not the module's": any(
            p not in own for group in groups for p in group["params"]
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
