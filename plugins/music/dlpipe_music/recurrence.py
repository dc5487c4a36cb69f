"""The recurrence of the RNN-RBM, which summarises the frames so far.

u_t = tanh(b_u + v_t W_vu + u_{t-1} W_uu), u_0 = 0, over frames v_t.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Recurrence(NamedTuple):
    """Weights and bias of the recurrence.

    Args:
        from_visible: W_vu, (num_visible, num_recurrent).
        recurrent: W_uu, (num_recurrent, num_recurrent).
        bias: b_u, (num_recurrent,).
    """

    from_visible: Tensor
    recurrent: Tensor
    bias: Tensor


def states(recurrence: Recurrence, v: Tensor) -> Tensor:
    """u_1 to u_T, (pieces, steps, num_recurrent), of frames v (pieces, steps, num_visible); u_0 = 0 for each piece.

    A state depends on no later frame, so that padding after a shorter piece does not change its states.
    """
    if v.is_cuda or not torch.is_grad_enabled():
        return _fused_states(recurrence, v)
    projected = torch.addmm(recurrence.bias, v.flatten(0, 1), recurrence.from_visible)  # all steps at once
    steps_first = projected.view(*v.shape[:2], -1).transpose(0, 1)  # (steps, pieces, num_recurrent)
    return _Recur.apply(steps_first, recurrence.recurrent).transpose(0, 1)  # type: ignore[no-any-return,no-untyped-call]


def next_state(recurrence: Recurrence, u: Tensor, v: Tensor) -> Tensor:
    """u_t (pieces, num_recurrent) from u_{t-1} and a frame v_t (pieces, num_visible)."""
    projected = torch.addmm(recurrence.bias, v, recurrence.from_visible)
    return torch.addmm(projected, u, recurrence.recurrent).tanh()


def states_before(u: Tensor) -> Tensor:
    """u_0 to u_{T-1}, the state before each frame, from u_1 to u_T (pieces, steps, num_recurrent)."""
    return torch.cat([torch.zeros_like(u[:, :1]), u[:, :-1]], 1)


def _fused_states(recurrence: Recurrence, v: Tensor) -> Tensor:
    """`states` by torch's kernel, cuDNN's on a GPU; it has a second bias."""
    from_visible, recurrent, bias = recurrence.from_visible.t(), recurrence.recurrent.t(), recurrence.bias
    weights = _in_one_buffer(from_visible, recurrent, bias, torch.zeros_like(bias))
    start = v.new_zeros(1, len(v), len(bias))
    return torch.rnn_tanh(v, start, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)[0]


def _in_one_buffer(*weights: Tensor) -> list[Tensor]:
    """The same weights, one after the other in memory, where cuDNN reads them without a copy."""
    parts = torch.split(torch.cat([weight.flatten() for weight in weights]), [weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


class _Recur(torch.autograd.Function):
    """u_t = tanh(a_t + u_{t-1} W), with the gradient of W as one product over all steps.

    Autograd would add up one matrix per step; this takes a third of its time on a CPU. It can be differentiated once.
    Each direction is one operation of torch's, so that a trace of it holds for every number of steps.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, weight: Tensor) -> Tensor:
        u = torch.ops.dlpipe_music.recurrent_states(a, weight)
        ctx.save_for_backward(u, weight)
        return u  # type: ignore[no-any-return]  # torch has no types for operations

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled():  # torch's once_differentiable misses some cases
            raise RuntimeError("the recurrence can be differentiated once: leave create_graph out")
        u, weight = ctx.saved_tensors
        gradient = torch.ops.dlpipe_music.recurrent_gradients(gradients[0], u, weight)
        return gradient, u[:-1].flatten(0, 1).t() @ gradient[1:].flatten(0, 1)


def _recurrent_states(a: Tensor, weight: Tensor) -> Tensor:
    """u, (steps, pieces, num_recurrent)."""
    u = a.clone(memory_format=torch.contiguous_format)
    steps = u.unbind()
    steps[0].tanh_()
    for before, state in pairwise(steps):
        state.addmm_(before, weight).tanh_()
    return u


def _recurrent_gradients(gradients: Tensor, u: Tensor, weight: Tensor) -> Tensor:
    """The gradients of a, from those of u: (steps, pieces, num_recurrent)."""
    transposed, slopes = weight.t(), (1 - u * u).unbind()
    gradient = gradients.clone(memory_format=torch.contiguous_format)  # of u_t, and after the loop of a_t
    steps = gradient.unbind()
    for step in range(len(steps) - 1, 0, -1):
        steps[step - 1].addmm_(steps[step].mul_(slopes[step]), transposed)
    steps[0].mul_(slopes[0])
    return gradient


def _like_first(first: Tensor, *_: Tensor) -> Tensor:
    return first.new_empty(first.shape)


# as long as it lives, torch has its operations
_OPERATIONS: Any = torch.library.Library("dlpipe_music", "FRAGMENT")  # type: ignore[no-untyped-call]
for _name, _arguments, _compute in (
    ("recurrent_states", "Tensor a, Tensor weight", _recurrent_states),
    ("recurrent_gradients", "Tensor gradients, Tensor u, Tensor weight", _recurrent_gradients),
):
    _OPERATIONS.define(f"{_name}({_arguments}) -> Tensor")
    _OPERATIONS.impl(_name, _compute, "CompositeExplicitAutograd")
    torch.library.register_fake(f"dlpipe_music::{_name}", _like_first, lib=_OPERATIONS)
