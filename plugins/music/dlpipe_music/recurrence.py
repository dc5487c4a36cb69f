"""The recurrence of the RNN-RBM: what the frames so far say of the next one.

u_t = tanh(b_u + v_t W_vu + u_{t-1} W_uu), u_0 = 0, over frames v_t.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Recurrence(NamedTuple):
    """What defines it.

    Args:
        from_visible: W_vu, (num_visible, num_recurrent).
        recurrent: W_uu, (num_recurrent, num_recurrent).
        bias: b_u, (num_recurrent,).
    """

    from_visible: Tensor
    recurrent: Tensor
    bias: Tensor


def states(recurrence: Recurrence, v: Tensor) -> Tensor:
    """u_1 to u_T, (pieces, steps, num_recurrent), of frames v (pieces, steps, num_visible), each piece from u_0 = 0.

    A state depends on no later frame, so that what stands beyond the end of a shorter piece changes nothing in it.
    """
    if v.is_cuda or not torch.is_grad_enabled():
        return _fused_states(recurrence, v)
    projected = torch.addmm(recurrence.bias, v.flatten(0, 1), recurrence.from_visible)  # of all steps at once
    steps_first = projected.view(*v.shape[:2], -1).transpose(0, 1)  # (steps, pieces, num_recurrent)
    return _Recur.apply(steps_first, recurrence.recurrent).transpose(0, 1)  # type: ignore[no-any-return,no-untyped-call]


def next_state(recurrence: Recurrence, u: Tensor, v: Tensor) -> Tensor:
    """u_t (pieces, num_recurrent) of u_{t-1} and of a frame v_t (pieces, num_visible)."""
    projected = torch.addmm(recurrence.bias, v, recurrence.from_visible)
    return torch.addmm(projected, u, recurrence.recurrent).tanh()


def states_before(u: Tensor) -> Tensor:
    """u_0 to u_{T-1}, what each frame is told, of u_1 to u_T (pieces, steps, num_recurrent)."""
    return torch.cat([torch.zeros_like(u[:, :1]), u[:, :-1]], 1)


def _fused_states(recurrence: Recurrence, v: Tensor) -> Tensor:
    """By torch's kernel, on a GPU cuDNN's; it has a second bias."""
    from_visible, recurrent, bias = recurrence.from_visible.t(), recurrence.recurrent.t(), recurrence.bias
    weights = [from_visible.contiguous(), recurrent.contiguous(), bias, torch.zeros_like(bias)]
    start = v.new_zeros(1, len(v), len(bias))
    return torch.rnn_tanh(v, start, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)[0]


class _Recur(torch.autograd.Function):
    """u_t = tanh(a_t + u_{t-1} W), with the gradient of W as one product over all steps.

    Autograd would make and add one matrix a step; so it takes half of the time on a CPU. It can be differentiated once.
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
        if torch.is_grad_enabled():  # torch's own once_differentiable lets some second derivatives be wrong
            raise RuntimeError("the recurrence can be differentiated once: leave create_graph out")
        u, weight = ctx.saved_tensors
        transposed, slope = weight.t().contiguous(), 1 - u * u
        found = gradients[0] * slope  # of a_t, where what comes by way of later steps is still to be added
        for step in range(len(u) - 2, -1, -1):
            found[step].addcmul_(torch.mm(found[step + 1], transposed), slope[step])
        return found, u[:-1].flatten(0, 1).t() @ found[1:].flatten(0, 1)
