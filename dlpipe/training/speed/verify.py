"""One update by a recorded step held against the same by autograd and the optimizer, and both undone."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from dlpipe.training.speed.tracing import NotTraceableError, Trace, loss_of

# of the largest change; what a recording gets wrong is wrong by more
TOLERANCE = 1e-3


def verify_against_eager(
    update: Callable[[], Tensor],
    recording: Trace,
    module: pl.LightningModule,
    optimizer: torch.optim.Optimizer,
    batch: Any,
) -> None:
    """Make sure that the recorded update gives the loss and the weights that the optimizer would.

    Args:
        update: of the parameters for this minibatch, to be called without autograd; gives the loss.
        recording: what it was made of.
        module: whose parameters it updates.
        optimizer: what it stands for.
        batch: a minibatch.

    Raises:
        UnrecordableError: it gives something else, or fails.
    """
    parameters, constants = list(module.parameters()), vars(recording.constants).values()
    tensors = {id(t): t for t in [*parameters, *module.buffers(), *constants] if isinstance(t, Tensor)}
    generators = [constant for constant in constants if isinstance(constant, torch.Generator)]
    with _undone(list(tensors.values()), generators) as before:
        with _without_log(module):
            loss = loss_of(module, batch, 0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
        optimizer.step()
        optimizer.zero_grad()
        wanted = [loss.detach(), *(p.detach().clone() for p in parameters)]
    with _undone(list(tensors.values()), generators):
        try:
            with torch.no_grad():
                loss = update()
        except RuntimeError as error:
            raise NotTraceableError(f"the recorded step fails: {error}") from error
        found = [loss, *(p.detach().clone() for p in parameters)]
    starts = [torch.zeros_like(loss), *(before[id(p)] for p in parameters)]
    if not all(map(_alike, starts, wanted, found)):
        raise NotTraceableError("the recorded step gives other numbers")


def _alike(start: Tensor, wanted: Tensor, found: Tensor) -> bool:
    if not wanted.numel():
        return True
    change, size = ((x.nan_to_num().abs().max()) for x in (wanted - start, wanted))
    allowed = TOLERANCE * change + 16 * torch.finfo(wanted.dtype).eps * size
    return torch.allclose(found, wanted, rtol=0, atol=float(allowed), equal_nan=True)


@contextlib.contextmanager
def _undone(tensors: list[Tensor], generators: list[torch.Generator]) -> Iterator[dict[int, Tensor]]:
    """Give tensors and random numbers back as they were; the tensors' copies, by id."""
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
    """Let `self.log` do nothing."""
    own = vars(module).get("log")
    vars(module)["log"] = lambda *_, **__: None
    try:
        yield
    finally:
        if own is None:
            del vars(module)["log"]
        else:
            vars(module)["log"] = own
