"""The hidden units of Elman's and Jordan's recurrent networks, with logistic units, over whole sentences.

On a CPU a step of one sentence costs less in Python than in torch's kernel for tanh units, which can compute Elman's
too; on a GPU, where a call costs more than what it computes, that kernel takes all steps at once.

Source: "Recurrent Neural Networks with Word Embeddings", and Mesnil et al. (2013), Investigation of
recurrent-neural-network architectures for spoken language understanding, for Jordan's.
"""

import torch
from torch import Tensor


def elman(inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """h_t = sigmoid(inputs_t + h_(t-1) weight), with h_0 = initial: (examples, steps, units).

    Args:
        inputs: (examples, steps, units), what comes from below, bias included.
        weight: (units, units), from the unit of its row to that of its column.
        initial: (units,).
    """
    if inputs.is_cuda:
        return elman_by_tanh(inputs, weight, initial)
    state = initial.expand(len(inputs), -1)
    states = []
    for below in inputs.unbind(1):
        state = torch.sigmoid(torch.addmm(below, state, weight))
        states.append(state)
    return torch.stack(states, 1)


def elman_by_tanh(inputs: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """As `elman`, in one call: sigmoid(z) = (1 + tanh(z / 2)) / 2, so that g = 2 h - 1 are tanh units."""
    half = torch.eye(len(weight), dtype=weight.dtype, device=weight.device) / 2
    weights = [half, weight.t() / 4, weight.sum(0) / 4, torch.zeros_like(initial)]
    before = (2 * initial - 1).expand(1, len(inputs), -1).contiguous()
    # a layer with biases, without dropout, forward, examples first; in training cuDNN keeps what a gradient needs
    units, _ = torch.rnn_tanh(inputs, before, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return (units + 1) / 2


def jordan(inputs: Tensor, weight: Tensor, initial: Tensor, out_weight: Tensor, out_bias: Tensor) -> Tensor:
    """h_t = sigmoid(inputs_t + s_(t-1) weight), where s_t = softmax(h_t out_weight + out_bias), s_0 = initial.

    Args:
        inputs: (examples, steps, units), what comes from below, bias included.
        weight: (classes, units), from an output to a hidden unit.
        initial: (classes,).
        out_weight: (units, classes).
        out_bias: (classes,).

    Returns:
        h, (examples, steps, units).
    """
    told = initial.expand(len(inputs), -1)
    states = []
    for below in inputs.unbind(1):
        state = torch.sigmoid(torch.addmm(below, told, weight))
        told = torch.softmax(torch.addmm(out_bias, state, out_weight), 1)
        states.append(state)
    return torch.stack(states, 1)
