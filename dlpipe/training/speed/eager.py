"""One update as one would write it by hand, by autograd and the optimizer; and a traced update compared with it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor
from torch.optim import Optimizer

from dlpipe.training.speed.traceable import NotTraceableError, isolated
from dlpipe.training.speed.tracing import Trace

# relative to the largest change of a weight; a wrong trace is wrong by more
TOLERANCE = 1e-3


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


def verify_against_eager(
    update: Callable[[], Tensor], trace: Trace, module: pl.LightningModule, optimizer: Optimizer, batch: Any
) -> None:
    """Make sure that an update without autograd, made of the trace, gives the optimizer's loss and weights; undo both.

    Raises:
        NotTraceableError: the update gives other numbers, or fails.
    """
    parameters, constants = list(module.parameters()), vars(trace.constants).values()

    def outcome(update: Callable[[], Any]) -> list[Tensor]:
        with _undone([*parameters, *module.buffers(), *constants]):
            return [update(), *(parameter.detach().clone() for parameter in parameters)]

    def update_eagerly() -> Tensor | None:
        with isolated(module, lambda *_, **__: None):
            loss = eager_update(module, optimizer)(batch, 0)
        _zero_grad(optimizer)
        return loss

    starts = [parameter.detach().clone() for parameter in parameters]
    expected = outcome(update_eagerly)
    try:
        with torch.no_grad():
            actual = outcome(update)
    except RuntimeError as error:
        raise NotTraceableError(f"the traced step fails: {error}") from error
    if not all(map(is_close, [torch.zeros_like(expected[0]), *starts], expected, actual)):
        raise NotTraceableError("the traced step gives other numbers")


def is_close(start: Tensor, expected: Tensor, actual: Tensor) -> bool:
    """Whether two results that began as ``start`` differ by rounding alone."""
    if not expected.numel():
        return True
    change, size = ((x.nan_to_num().abs().max()) for x in (expected - start, expected))
    allowed = TOLERANCE * change + 16 * torch.finfo(expected.dtype).eps * size
    return torch.allclose(actual, expected, rtol=0, atol=float(allowed), equal_nan=True)


@contextlib.contextmanager
def _undone(changed: list[Any]) -> Iterator[None]:
    """Restore the tensors and generators among these, and torch's own generators, at the end."""
    copies = {id(x): (x, x.detach().clone()) for x in changed if isinstance(x, Tensor)}.values()
    states = [(x, x.get_state()) for x in changed if isinstance(x, torch.Generator)]
    devices = {tensor.device.index or 0 for tensor, _ in copies if tensor.is_cuda}
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, copy in copies:
                    tensor.copy_(copy)
            for generator, state in states:
                generator.set_state(state)
