"""RMSprop with a centred variance and a momentum of the updates, as Graves wrote it down."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class GravesRMSprop(Optimizer):
    """u = momentum * u - lr * g / sqrt(E[g^2] - E[g]^2 + eps), and the parameter moves by u.

    E is a running mean with ``decay``, from zero. Unlike torch's centred RMSprop, eps is below the root, and the
    momentum is of updates.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        decay: of the running means.
        momentum: of the updates.
        eps: keeps the root from zero.
        weight_decay: times the parameter, added to its gradient.

    Raises:
        ValueError: a value is out of its range.

    Source: Graves (2013), Generating sequences with recurrent neural networks, equations 38 to 45; the tutorials'
    "LSTM Networks for Sentiment Analysis" has the same numbers.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-4,
        decay: float = 0.95,
        momentum: float = 0.9,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value, is_allowed, allowed in (
            ("lr", lr, lr >= 0, "at least 0"),
            ("decay", decay, 0 <= decay < 1, "at least 0 and below 1"),
            ("momentum", momentum, 0 <= momentum < 1, "at least 0 and below 1"),
            ("eps", eps, eps > 0, "above 0"),
            ("weight_decay", weight_decay, weight_decay >= 0, "at least 0"),
        ):
            if not is_allowed:
                raise ValueError(f"{name}={value}: it must be {allowed}")
        defaults = {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update each parameter that has a gradient; what the closure gives, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            for name in ("mean", "mean_of_squares", "update"):
                state[name] = torch.zeros_like(parameter)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        mean, squares = state["mean"], state["mean_of_squares"]
        mean.lerp_(gradient, 1 - group["decay"])
        squares.mul_(group["decay"]).addcmul_(gradient, gradient, value=1 - group["decay"])
        root = squares.addcmul(mean, mean, value=-1).clamp_(min=0).add_(group["eps"]).sqrt_()  # rounding may go below
        parameter.add_(state["update"].mul_(group["momentum"]).addcdiv_(gradient, root, value=-group["lr"]))
