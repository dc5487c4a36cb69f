"""One update by a traced step, compared with one by autograd and the optimizer; both are undone."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from dlpipe.training.speed.traceable import NotTraceableError
from dlpipe.training.speed.tracing import Trace, loss_of

# relative to the largest change of a weight; a wrong trace is wrong by more
TOLERANCE = 1e-3


def verify_against_eager(
    update: Callable[[], Tensor],
    trace: Trace,
    module: pl.LightningModule,
    optimizer: torch.optim.Optimizer,
    batch: Any,
) -> None:
    """Make sure that the traced update gives the loss and the weights that the optimizer gives.

    Args:
        update: updates the parameters for this minibatch, without autograd; returns the loss.
        trace: what ``update`` was made of.
        module: whose parameters it updates.
        optimizer: what it replaces.
        batch: a minibatch.

    Raises:
        NotTraceableError: the update gives other numbers, or fails.
    """
    parameters, constants = list(module.parameters()), vars(trace.constants).values()
    tensors = {id(t): t for t in [*parameters, *module.buffers(), *constants] if isinstance(t, Tensor)}
    generators = [constant for constant in constants if isinstance(constant, torch.Generator)]
    with _undone(list(tensors.values()), generators) as before:
        loss = _eager_update(module, optimizer, batch)
        expected = [loss, *(p.detach().clone() for p in parameters)]
    with _undone(list(tensors.values()), generators):
        loss = _traced_update(update)
        actual = [loss, *(p.detach().clone() for p in parameters)]
    starts = [torch.zeros_like(loss), *(before[id(p)] for p in parameters)]
    if not all(map(_is_close, starts, expected, actual)):
        raise NotTraceableError("the traced step gives other numbers")


def _eager_update(module: pl.LightningModule, optimizer: torch.optim.Optimizer, batch: Any) -> Tensor:
    with _without_log(module):
        loss = loss_of(module, batch, 0)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def _traced_update(update: Callable[[], Tensor]) -> Tensor:
    try:
        with torch.no_grad():
            return update()
    except RuntimeError as error:
        raise NotTraceableError(f"the traced step fails: {error}") from error


def _is_close(start: Tensor, expected: Tensor, actual: Tensor) -> bool:
    if not expected.numel():
        return True
    change, size = ((x.nan_to_num().abs().max()) for x in (expected - start, expected))
    allowed = TOLERANCE * change + 16 * torch.finfo(expected.dtype).eps * size
    return torch.allclose(actual, expected, rtol=0, atol=float(allowed), equal_nan=True)


@contextlib.contextmanager
def _undone(tensors: list[Tensor], generators: list[torch.Generator]) -> Iterator[dict[int, Tensor]]:
    """Restore tensors and random number generators at the end; gives copies of the tensors, by id."""
    copies = {id(tensor): tensor.detach().clone() for tensor in tensors}
    states = [generator.get_state() for generator in generators]
    devices = {tensor.device for tensor in tensors if tensor.is_cuda}
    with torch.random.fork_rng([device.index or 0 for device in devices]):
        try:
            yield copies
        finally:
            with torch.no_grad():
                for tensor in tensors:
                    tensor.copy_(copies[id(tensor)])
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


@contextlib.contextmanager
def _without_log(module: pl.LightningModule) -> Iterator[None]:
    """Let ``self.log`` do nothing."""
    own = vars(module).get("log")
    vars(module)["log"] = lambda *_, **__: None
    try:
        yield
    finally:
        if own is None:
            del vars(module)["log"]
        else:
            vars(module)["log"] = own
