"""One update as one would write it by hand: training_step, backward, optimizer step."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor
from torch.optim import Optimizer


def eager_update(module: pl.LightningModule, optimizer: Optimizer) -> Callable[[Any, int], Tensor | None]:
    """``update(batch, batch_idx)``, which returns the detached loss.

    Where training_step returns None there is no backward, and the optimizer steps without gradients, as in Lightning.
    """
    training_step = module.training_step
    wants_index = is_param_in_hook_signature(training_step, "batch_idx", min_args=2)

    def update(batch: Any, batch_idx: int) -> Tensor | None:
        output = training_step(batch, batch_idx) if wants_index else training_step(batch)
        loss: Any = output["loss"] if isinstance(output, dict) else output
        _zero_grad(optimizer)
        if loss is not None:
            loss.backward()
            loss = loss.detach()
        optimizer.step()
        return loss  # type: ignore[no-any-return]  # a Tensor or None

    return update


def _zero_grad(optimizer: Optimizer) -> None:
    """``optimizer.zero_grad()`` without its profiler, which takes longer than the rest."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
