"""Plain SGD for dense layers without ever forming the gradient of a weight.

The one place where dlpipe does what a library does. For `torch.optim.SGD` backward writes the gradient, the optimizer
reads it with the weight, adds the decay and writes the weight: passes over a matrix which, with small minibatches, cost
more than the arithmetic. Here backward keeps a layer's input x and the gradient d of its output, which are small, and
the update W <- (1 - lr * decay) W - lr * d^T x is one matrix product that reads and writes W once; benchmarks/
measures it.
"""

import logging
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, nn

log = logging.getLogger(__name__)
# where gradients are looked at or changed before the update
GRADIENT_HOOKS = ("backward", "on_after_backward", "on_before_optimizer_step", "optimizer_step")


class _Linear(torch.autograd.Function):
    """x W^T + b; backward passes the gradient of x on and keeps what the update of W and b needs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, uses: list[tuple[Tensor, Tensor]]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.uses = uses
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        ctx.uses.append((x, d) if x.ndim == 2 else (x.reshape(-1, x.shape[-1]), d.reshape(-1, d.shape[-1])))
        return d @ weight if ctx.needs_input_grad[0] else None, None, None, None


class FusedLinear:
    """The forward pass and the update of one dense layer, put in the place of ``layer.forward``.

    Args:
        layer: whose parameters are updated.
        groups: the optimizer's group, with ``lr`` and ``weight_decay``, of each of its parameters.
    """

    def __init__(self, layer: nn.Linear, groups: dict[str, dict[str, Any]]) -> None:
        self.layer = layer
        self.groups = groups
        self.uses: list[tuple[Tensor, Tensor]] = []
        # the same memory, outside autograd
        self.values = {name: parameter.detach() for name, parameter in layer.named_parameters()}
        self.owed = dict.fromkeys(groups, 1.0)  # what the decay so far should have left over what it has

    def __call__(self, x: Tensor) -> Tensor:
        """x W^T + b."""
        layer = self.layer
        if not torch.is_grad_enabled():
            return F.linear(x, layer.weight, layer.bias)
        return _Linear.apply(x, layer.weight, layer.bias, self.uses)  # type: ignore[no-any-return,no-untyped-call]

    def update(self) -> None:
        """Step down the gradient of every use since the last update, and of what else in the loss has made one."""
        if not self.uses:
            return
        for name, group in self.groups.items():
            parameter: Tensor = getattr(self.layer, name)
            values = self.values[name]
            lr, keep = group["lr"], self._kept(name, group)
            for x, d in self.uses:
                if name == "weight":
                    values.addmm_(d.t(), x, beta=keep, alpha=-lr)
                else:
                    if keep != 1.0:
                        values.mul_(keep)
                    values.sub_(d.sum(0), alpha=lr)
                keep = 1.0
            if parameter.grad is not None:  # a penalty in the loss, or a use that is no layer's
                values.sub_(parameter.grad, alpha=lr)
                parameter.grad = None
        self.uses.clear()

    def _kept(self, name: str, group: dict[str, Any]) -> float:
        """The factor of the decay, in float32 such that the rounding of one step is made good by the next.

        1 - 2e-6 is off by 1 % of the 2e-6 in float32, each time to the same side.
        """
        if not group["weight_decay"]:
            return 1.0
        wanted = self.owed[name] * (1 - group["lr"] * group["weight_decay"])
        given = wanted if self.layer.weight.dtype == torch.float64 else float(np.float32(wanted))
        self.owed[name] = wanted / given
        return given


class FusedUpdates(pl.Callback):
    """Replace plain SGD's update of every dense layer it can be replaced for."""

    def __init__(self) -> None:
        self.layers: list[FusedLinear] = []
        self._owed: list[dict[str, float]] = []
        self.all = False  # whether they have every parameter that the optimizer has

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the layers over, and say once which or why none."""
        reason = why_not_fused(trainer, pl_module)
        if reason:
            if type(trainer.optimizers[0]) is torch.optim.SGD:
                log.info("updates of dense layers are not fused: %s", reason)
            return
        groups = {p: group for group in trainer.optimizers[0].param_groups for p in group["params"]}
        shared = _shared(pl_module)
        for layer in pl_module.modules():
            own = dict(layer.named_parameters(recurse=False))
            if type(layer) is nn.Linear and all(p in groups and p not in shared and _is_free(p) for p in own.values()):
                fused = FusedLinear(layer, {name: groups[p] for name, p in own.items()})
                layer.forward = fused  # type: ignore[method-assign,assignment]
                self.layers.append(fused)
        for fused, owed in zip(self.layers, self._owed, strict=False):
            fused.owed = dict(owed)
        self.all = groups.keys() == {p for fused in self.layers for p in fused.layer.parameters()}

    def next_update(self) -> float:
        """Any: in between, the loop over a chunk calls `update`."""
        return float("inf")

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        """Update, before the optimizer, which sees no gradient of these, updates the rest."""
        self.update()

    def update(self) -> None:
        """Update every layer."""
        for layer in self.layers:
            layer.update()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the layers back."""
        self._release()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the layers back."""
        self._release()

    def state_dict(self) -> dict[str, Any]:
        """What every layer owes."""
        return {"owed": [dict(fused.owed) for fused in self.layers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`, once the layers are taken over."""
        self._owed = state_dict["owed"]

    def _release(self) -> None:
        for fused in self.layers:
            del fused.layer.forward
        self.layers, self.all = [], False


def why_not_fused(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    """What the optimizer has to do by itself; None where its update can be replaced."""
    for hook in GRADIENT_HOOKS:
        seen_by = [callback for callback in trainer.callbacks if is_overridden(hook, callback, pl.Callback)]  # type: ignore[attr-defined]
        if is_overridden(hook, module, pl.LightningModule) or any(type(c) is not FusedUpdates for c in seen_by):
            return f"gradients are looked at in {hook}"
    optimizers = trainer.optimizers
    if len(optimizers) != 1 or type(optimizers[0]) is not torch.optim.SGD or not module.automatic_optimization:
        return "only torch.optim.SGD is replaced"
    for option in ("momentum", "maximize", "differentiable"):
        if any(group[option] for group in optimizers[0].param_groups):
            return f"SGD has {option}"
    reasons = {
        "gradients are clipped": trainer.gradient_clip_val is not None,
        "gradients are accumulated": trainer.accumulate_grad_batches != 1,
        "several devices exchange gradients": type(trainer.strategy) is not SingleDeviceStrategy,
        "the precision is mixed": type(trainer.precision_plugin) is not Precision,
        "the learning rate is a tensor": any(isinstance(g["lr"], Tensor) for g in optimizers[0].param_groups),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _shared(module: nn.Module) -> set[nn.Parameter]:
    """Parameters that several layers have."""
    of_all = [p for layer in module.modules() for p in layer.parameters(recurse=False)]
    return {p for p in of_all if sum(p is other for other in of_all) > 1}


def _is_free(parameter: Tensor) -> bool:
    """Whether nothing but an optimizer waits for its gradient."""
    hooks = parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None)
    return parameter.requires_grad and not hooks
