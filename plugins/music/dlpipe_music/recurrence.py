"""The recurrence of the RNN-RBM, which summarises the frames so far.

u_t = tanh(b_u + v_t W_vu + u_{t-1} W_uu), u_0 = 0, over frames v_t.
"""

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

    Autograd would add up one matrix per step; this takes half of its time on a CPU. It can be differentiated once.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, weight: Tensor) -> Tensor:
        u = torch.empty_like(a)
        torch.tanh(a[0], out=u[0])
        for step in range(1, len(a)):
            torch.addmm(a[step], u[step - 1], weight, out=u[step]).tanh_()
        ctx.save_for_backward(u, weight)
        return u

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled():  # torch's once_differentiable misses some cases
            raise RuntimeError("the recurrence can be differentiated once: leave create_graph out")
        u, weight = ctx.saved_tensors
        transposed, slope = weight.t().contiguous(), 1 - u * u
        gradient = gradients[0] * slope  # of a_t; the part through later steps is added in the loop
        for step in range(len(u) - 2, -1, -1):
            gradient[step].addcmul_(torch.mm(gradient[step + 1], transposed), slope[step])
        return gradient, u[:-1].flatten(0, 1).t() @ gradient[1:].flatten(0, 1)
