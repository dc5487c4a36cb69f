"""From the gradients of minibatches to the weights, in Lightning's order: accumulate, clip, let the optimizer step."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.enums import GradClipAlgorithmType
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

# torch updates all parameters in one pass over memory with ``fused=True``; by default it does so on no device
FUSED_KERNELS = (SGD, Adam, AdamW)


class GradientStep:
    """What follows backward.

    Args:
        trainer: says how gradients are accumulated and clipped.
        optimizer: the trainer's only one.
    """

    def __init__(self, trainer: pl.Trainer, optimizer: Optimizer) -> None:
        self.trainer = trainer
        self.optimizer = optimizer

    @property
    def window(self) -> int:
        """How many minibatches add up their gradients; a callback may change it between epochs."""
        return self.trainer.accumulate_grad_batches

    @property
    def hooks(self) -> list[Callable[..., None]]:
        """Those that follow the optimizer's step, its own and every optimizer's."""
        return [*self.optimizer._optimizer_step_post_hooks.values(), *_global_optimizer_post_hooks.values()]

    @property
    def hooks_read_gradients(self) -> bool:
        """Whether one of the hooks may read gradients; one that does not says so by ``reads_gradients = False``."""
        return any(getattr(hook, "reads_gradients", True) for hook in self.hooks)

    def call_hooks(self) -> None:
        """Call the hooks as the optimizer's step does, with autograd."""
        with torch.enable_grad():
            for hook in self.hooks:
                hook(self.optimizer, (self.optimizer,), {})

    def zero_grad(self) -> None:
        """``optimizer.zero_grad()`` without its profiler, which takes longer than the rest."""
        if type(self.optimizer).zero_grad is not Optimizer.zero_grad:
            self.optimizer.zero_grad()
            return
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def accumulate(self, parameters: Iterable[nn.Parameter], gradients: Sequence[Tensor], begins: bool) -> None:
        """Add the gradients of a minibatch, which may be changed, to those of its window, which it may begin."""
        if begins:
            self.zero_grad()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if parameter.grad is None:
                parameter.grad = gradient
            else:
                parameter.grad += gradient

    def finish(self) -> None:
        """Clip the gradients and update the parameters."""
        if value := self.trainer.gradient_clip_val:
            algorithm = GradClipAlgorithmType(self.trainer.gradient_clip_algorithm or "norm")
            self.trainer.precision_plugin.clip_gradients(self.optimizer, value, algorithm)
        self.optimizer.step()


def has_hooks_before_step(optimizer: Optimizer) -> bool:
    """Whether a hook precedes the optimizer's step, or every optimizer's; Lightning calls these before backward."""
    return bool(optimizer._optimizer_step_pre_hooks or _global_optimizer_pre_hooks)


@contextlib.contextmanager
def without_hooks(optimizer: Optimizer) -> Iterator[None]:
    """The optimizer's step calls no hooks that follow it, which would count or write down updates that are undone."""
    hooks: list[dict[int, Any]] = [optimizer._optimizer_step_post_hooks, _global_optimizer_post_hooks]
    copies = [dict(some) for some in hooks]
    for some in hooks:
        some.clear()
    try:
        yield
    finally:
        for some, copy in zip(hooks, copies, strict=True):
            some.update(copy)


def choose_fused_kernel(optimizer: Optimizer) -> None:
    """Let SGD, Adam and AdamW on a CPU use torch's fused kernel, unless their options say which one to use.

    It is torch's own, and differs from the default by rounding. The choice is in the optimizer's state.
    """
    if type(optimizer) not in FUSED_KERNELS:
        return
    for group in optimizer.param_groups:
        is_open = group["fused"] is None and group["foreach"] is None and not group["differentiable"]
        if is_open and not isinstance(group["lr"], Tensor) and all(map(_is_float_on_cpu, group["params"])):
            group["fused"] = True


def is_plain_sgd(optimizer: Optimizer) -> bool:
    """Whether an update only subtracts the gradient and the decay, times the learning rate."""
    return type(optimizer) is SGD and not any(
        group["momentum"] or group["maximize"] or group["differentiable"] or isinstance(group["lr"], Tensor)
        for group in optimizer.param_groups
    )


def _is_float_on_cpu(parameter: Tensor) -> bool:
    is_plain = type(parameter) in (Tensor, nn.Parameter)  # and no part of one, as with FSDP
    return is_plain and parameter.device.type == "cpu" and parameter.dtype in (torch.float32, torch.float64)
