"""The hidden units of Elman's and Jordan's recurrent networks, with logistic units, over whole sentences.

On a CPU a step of one sentence costs the same in Python as in torch's kernel for tanh networks, which could compute
Elman's: what takes time is the weights. Source: "Recurrent Neural Networks with Word Embeddings", and Mesnil et al.
(2013), Investigation of recurrent-neural-network architectures for spoken language understanding, for Jordan's.
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
    state = initial.expand(len(inputs), -1)
    states = []
    for below in inputs.unbind(1):
        state = torch.sigmoid(torch.addmm(below, state, weight))
        states.append(state)
    return torch.stack(states, 1)


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
