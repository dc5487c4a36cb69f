"""Hidden states of Elman's and Jordan's recurrent networks with logistic units, over whole sentences.

On a CPU a step of Elman's network is faster in Python than by torch's kernel for tanh units, which can compute it too;
on a GPU, where launching costs more than computing, that kernel does all steps in one call.

Source: "Recurrent Neural Networks with Word Embeddings", and Mesnil et al. (2013), Investigation of
recurrent-neural-network architectures for spoken language understanding, for Jordan's.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


def elman(inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """h_t = sigmoid(inputs_t + h_(t-1) weight), with h_0 = initial: (examples, steps, units).

    Args:
        inputs: (examples, steps, units), the input's contribution, bias included.
        weight: (units, units), from the unit of its row to that of its column.
        initial: (units,).
    """
    if torch.compiler.is_compiling():

        def step(before: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
            state = torch.sigmoid(torch.addmm(below, before, weight))
            return state, state.clone()

        return _states_by_scan(step, inputs, initial)
    if inputs.is_cuda:
        return elman_by_tanh(inputs, weight, initial)
    return _Elman.apply(inputs, weight, initial)  # type: ignore[no-any-return,no-untyped-call]  # torch has no types


def elman_backwards(inputs: Tensor, weight: Tensor, initial: Tensor, lengths: Tensor) -> Tensor:
    """h_t = sigmoid(inputs_t + h_(t+1) weight), with h_(length+1) = initial: (examples, steps, units).

    Args:
        inputs: (examples, steps, units), the input's contribution, bias included.
        weight: (units, units), from the unit of its row to that of its column.
        initial: (units,).
        lengths: (examples,); states beyond them are meaningless.
    """
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    mirrored = lengths.unsqueeze(1) - 1 - steps
    order = torch.where(mirrored >= 0, mirrored, steps).unsqueeze(2).expand_as(inputs)
    return elman(inputs.gather(1, order), weight, initial).gather(1, order)


def elman_by_tanh(inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """As `elman`, in one call: sigmoid(z) = (1 + tanh(z / 2)) / 2, so that g = 2 h - 1 are tanh units."""
    half = torch.eye(len(weight), dtype=weight.dtype, device=weight.device) / 2
    weights = _in_one_buffer(half, weight.t() / 4, weight.sum(0) / 4, torch.zeros_like(initial))
    before = (2 * initial - 1).expand(1, len(inputs), -1).contiguous()
    # a layer with biases, without dropout, forward, examples first; in training cuDNN saves what backward needs
    units, _ = torch.rnn_tanh(inputs, before, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return (units + 1) / 2


def _in_one_buffer(*weights: Tensor) -> list[Tensor]:
    """The same weights, one after the other in memory, where cuDNN reads them without a copy."""
    parts = torch.split(torch.cat([weight.flatten() for weight in weights]), [weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def jordan(inputs: Tensor, weight: Tensor, initial: Tensor, out_weight: Tensor, out_bias: Tensor) -> Tensor:
    """h_t = sigmoid(inputs_t + s_(t-1) weight), where s_t = softmax(h_t out_weight + out_bias), s_0 = initial.

    Args:
        inputs: (examples, steps, units), the input's contribution, bias included.
        weight: (classes, units), from an output to a hidden unit.
        initial: (classes,).
        out_weight: (units, classes).
        out_bias: (classes,).

    Returns:
        h, (examples, steps, units).
    """

    def step(output: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.sigmoid(torch.addmm(below, output, weight))
        return torch.softmax(torch.addmm(out_bias, state, out_weight), 1), state

    if torch.compiler.is_compiling():
        return _states_by_scan(step, inputs, initial)
    output = initial.expand(len(inputs), -1)
    states = []
    for below in inputs.unbind(1):
        output, state = step(output, below)
        states.append(state)
    return torch.stack(states, 1)


def _states_by_scan(step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], inputs: Tensor, initial: Tensor) -> Tensor:
    """The states of a recurrence of any number of steps: torch.export unrolls a loop in Python to those it sees.

    Args:
        step: from what is fed back and one step of the inputs to what is fed back next and the state.
        inputs: (examples, steps, units).
        initial: what is fed back at first, without the examples' dimension.
    """
    from torch._higher_order_ops.scan import scan

    first = initial.expand(inputs.shape[0], -1).clone()  # scan refuses views of its inputs
    _, states = scan(step, first, inputs.transpose(0, 1))
    return states.transpose(0, 1)  # type: ignore[no-any-return]  # torch has no types for it


class _Elman(torch.autograd.Function):
    """`elman`, with the gradient of the weight as one product over all steps.

    Autograd would add up one matrix per step; this takes two thirds of its time for a sentence of 11 words. It can be
    differentiated once. Each direction is one operation of torch's, so that a trace of it holds for every number of
    steps.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
        states = torch.ops.dlpipe_language.elman_states(inputs, weight, initial)
        ctx.save_for_backward(states, weight)
        return states[1:].transpose(0, 1)  # type: ignore[no-any-return]  # torch has no types for operations

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if torch.is_grad_enabled():  # torch's once_differentiable misses some cases
            raise RuntimeError("the recurrence can be differentiated once: leave create_graph out")
        states, weight = ctx.saved_tensors
        gradient = torch.ops.dlpipe_language.elman_gradients(gradients[0], states, weight)
        weight_gradient = states[:-1].flatten(0, 1).t() @ gradient[1:].flatten(0, 1)
        return gradient[1:].transpose(0, 1), weight_gradient, gradient[0].sum(0)


def _elman_states(inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """All states, that before the first step included: (1 + steps, examples, units)."""
    states = torch.cat([initial.expand(1, len(inputs), -1), inputs.transpose(0, 1)])
    for before, state in pairwise(states.unbind()):
        state.addmm_(before, weight).sigmoid_()
    return states


def _elman_gradients(gradients: Tensor, states: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the initial state of each example, then those of each step's inputs, shaped as the states.

    Args:
        gradients: of the states without the first, (examples, steps, units).
        states: (1 + steps, examples, units).
        weight: (units, units).
    """
    transposed, slopes = weight.t(), (states * (1 - states)).unbind()
    # each step's is that of its state, and after the loop that of its pre-activation
    gradient = torch.cat([torch.zeros_like(states[:1]), gradients.transpose(0, 1)])
    steps = gradient.unbind()
    for step in range(len(steps) - 1, 0, -1):
        steps[step - 1].addmm_(steps[step].mul_(slopes[step]), transposed)
    return gradient


def _shaped_as_states(inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    examples, steps, units = inputs.shape
    return inputs.new_empty(1 + steps, examples, units)


# as long as it lives, torch has its operations
_OPERATIONS: Any = torch.library.Library("dlpipe_language", "FRAGMENT")  # type: ignore[no-untyped-call]


def _register(name: str, arguments: str, compute: Callable[..., Tensor], shaped: Callable[..., Tensor]) -> None:
    """Make a function one of torch's operations; ``shaped`` gives a tensor of its result's shape for a trace."""
    _OPERATIONS.define(f"{name}({arguments}) -> Tensor")
    _OPERATIONS.impl(name, compute, "CompositeExplicitAutograd")
    torch.library.register_fake(f"dlpipe_language::{name}", shaped, lib=_OPERATIONS)


_register("elman_states", "Tensor inputs, Tensor weight, Tensor initial", _elman_states, _shaped_as_states)
_register(
    "elman_gradients",
    "Tensor gradients, Tensor states, Tensor weight",
    _elman_gradients,
    lambda gradients, states, weight: torch.empty_like(states),
)
