"""One update as one would write it by hand, by autograd and the optimizer; and a traced update compared with it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor, nn
from torch.optim import Optimizer

from dlpipe.training.speed.gradient_step import GradientStep, without_hooks
from dlpipe.training.speed.traceable import NotTraceableError, isolated
from dlpipe.training.speed.tracing import Trace

# relative to the largest change of a weight; a wrong trace is wrong by more
TOLERANCE = 1e-3


def eager_update(
    module: pl.LightningModule, gradient_step: GradientStep
) -> Callable[[Any, int, bool, bool], Tensor | None]:
    """``update(batch, batch_idx, begins, ends)``, which returns the detached loss.

    The minibatch may begin and end a window of accumulated gradients. Where training_step returns None there is no
    backward, and the optimizer steps without gradients, as in Lightning.
    """
    training_step, window = module.training_step, gradient_step.window
    wants_index = is_param_in_hook_signature(training_step, "batch_idx", min_args=2)

    def update(batch: Any, batch_idx: int, begins: bool, ends: bool) -> Tensor | None:
        output = training_step(batch, batch_idx) if wants_index else training_step(batch)
        loss: Any = output["loss"] if isinstance(output, dict) else output
        if begins:
            gradient_step.zero_grad()
        if loss is not None:
            (loss if window == 1 else loss / window).backward()
            loss = loss.detach()
        if ends:
            gradient_step.finish()
        return loss  # type: ignore[no-any-return]  # a Tensor or None

    return update


def verify_against_eager(
    update: Callable[[], Tensor], trace: Trace, module: pl.LightningModule, gradient_step: GradientStep, batch: Any
) -> None:
    """Make sure that an update without autograd, made of the trace, gives the optimizer's loss and weights; undo both.

    The minibatch is taken for a whole window of accumulated gradients; those of the window it is in are kept. Hooks of
    the optimizer's step are not called.

    Raises:
        NotTraceableError: the update gives other numbers, or fails.
    """
    parameters, constants = list(module.parameters()), vars(trace.constants).values()

    def outcome(update: Callable[[], Any]) -> list[Tensor]:
        with (
            _undone([*parameters, *module.buffers(), *constants]),
            _state_undone(gradient_step.optimizer),
            without_hooks(gradient_step.optimizer),
            _without_gradients(parameters),
        ):
            return [update(), *(parameter.detach().clone() for parameter in parameters)]

    def update_eagerly() -> Tensor | None:
        with isolated(module, lambda *_, **__: None):
            return eager_update(module, gradient_step)(batch, 0, True, True)

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


@contextlib.contextmanager
def _without_gradients(parameters: list[nn.Parameter]) -> Iterator[None]:
    """No parameter has a gradient at the beginning; at the end each has its own again, as in mid-window."""
    gradients = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient


@contextlib.contextmanager
def _state_undone(optimizer: Optimizer) -> Iterator[None]:
    """Restore the state of an optimizer at the end: its tensors in place, its other values, and what it lacked."""
    before = {
        parameter: {name: (value, value.clone() if isinstance(value, Tensor) else None) for name, value in own.items()}
        for parameter, own in optimizer.state.items()
    }
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter in list(optimizer.state):
                if parameter not in before:
                    del optimizer.state[parameter]
                    continue
                optimizer.state[parameter] = {name: value for name, (value, _) in before[parameter].items()}
                for value, copy in before[parameter].values():
                    if copy is not None:
                        value.copy_(copy)
