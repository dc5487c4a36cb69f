"""Derivatives by hand of the recurrent networks: backward through time, then one product for each weight."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from by_hand_layers import by_logits
from by_hand_unsupervised import sample
from derivative import Derivative
from language import SentimentByHand, SlotFillerByHand
from polyphony import RnnRbmByHand

aten = torch.ops.aten


def slot_filler_by_hand(net: SlotFillerByHand, x: Tensor, y: Tensor) -> list[Derivative]:
    """Derivatives of the mean negative log-likelihood of a sentence.

    Args:
        net: what is trained.
        x: numbers of words (words,).
        y: slots (words,).
    """
    windows = F.pad(x, (3, 3), value=572).unfold(0, 7, 1).flatten()
    embedded = net.embeddings.weight.index_select(0, windows).view(len(x), -1)
    states = torch.cat([net.initial.unsqueeze(0), torch.addmm(net.below.bias, embedded, net.below.weight.t())])
    for before, state in pairwise(torch.split(states, 1)):
        state.addmm_(before, net.recurrent).sigmoid_()
    above = by_logits(torch.addmm(net.out.bias, states[1:], net.out.weight.t()), y)
    by_states = torch.cat([torch.zeros_like(states[:1]), above @ net.out.weight])
    below, slopes = torch.split(by_states, 1), torch.split(states * (1 - states), 1)
    for step in range(len(x), 0, -1):
        below[step - 1].addmm_(below[step].mul_(slopes[step]), net.recurrent.t())
    by_inputs = by_states[1:]
    return [
        Derivative(net.out.weight, (above.t(), states[1:])),
        Derivative(net.out.bias, rest=above.sum(0)),
        Derivative(net.recurrent, (states[:-1].t(), by_inputs)),
        Derivative(net.initial, rest=by_states[0]),
        Derivative(net.embeddings.weight, rest=(by_inputs @ net.below.weight).view(len(windows), -1), rows=windows),
        Derivative(net.below.weight, (by_inputs.t(), embedded)),
        Derivative(net.below.bias, rest=by_inputs.sum(0)),
    ]


def sentiment_by_hand(net: SentimentByHand, x: Tensor, y: Tensor) -> list[Derivative]:
    """Derivatives of the mean negative log-likelihood of reviews.

    Args:
        net: what is trained.
        x: numbers of words (reviews, words), 0 beyond a review.
        y: sentiments (reviews,).
    """
    by_input, by_output, bias, fixed_bias = net.lstm.parameters()
    words = x.t().contiguous()  # (words, reviews), as everything below
    embedded = net.embeddings.weight.index_select(0, words.flatten()).view(*words.shape, -1)
    gates = F.linear(embedded, by_input, bias + fixed_bias)
    units = net.lstm.hidden_size
    outputs, cells = (gates.new_zeros(len(words) + 1, x.shape[0], units) for _ in range(2))
    recurrent = by_output.t()
    for step, gate in enumerate(gates.unbind()):
        gate.addmm_(outputs[step], recurrent)
        gate[:, : 2 * units].sigmoid_()
        gate[:, 2 * units : 3 * units].tanh_()
        gate[:, 3 * units :].sigmoid_()
        enter, stay, new, leave = gate.chunk(4, 1)
        torch.addcmul(enter * new, stay, cells[step], out=cells[step + 1])
        torch.mul(leave, cells[step + 1].tanh(), out=outputs[step + 1])
    there = (words != 0).unsqueeze(2) / (words != 0).sum(0).unsqueeze(1)
    mean = (outputs[1:] * there).sum(0)
    dropped = torch.rand_like(mean) < 0.5
    above = by_logits(torch.addmm(net.output.bias, mean * dropped, net.output.weight.t()), y)
    by_outputs = ((above @ net.output.weight) * dropped) * there
    by_gates = _through_time(gates, cells, by_outputs, by_output)
    flat = by_gates.flatten(0, 1)
    return [
        Derivative(net.output.weight, (above.t(), mean * dropped)),
        Derivative(net.output.bias, rest=above.sum(0)),
        Derivative(by_output, (flat.t(), outputs[:-1].flatten(0, 1))),
        Derivative(by_input, (flat.t(), embedded.flatten(0, 1))),
        Derivative(bias, rest=flat.sum(0)),
        Derivative(net.embeddings.weight, rest=flat @ by_input, rows=words.flatten()),
    ]


def _through_time(gates: Tensor, cells: Tensor, by_outputs: Tensor, recurrent: Tensor) -> Tensor:
    """Derivatives by the pre-activations of all gates, (words, reviews, 4 * units).

    Args:
        gates: enter, stay, new and leave, (words, reviews, 4 * units).
        cells: (words + 1, reviews, units), from before the first word.
        by_outputs: (words, reviews, units).
        recurrent: (4 * units, units).
    """
    enter, stay, new, leave = gates.chunk(4, 2)
    squashed = cells[1:].tanh()
    cell_slope = leave * (1 - squashed * squashed)
    factors = torch.cat([new * enter * (1 - enter), cells[:-1] * stay * (1 - stay), enter * (1 - new * new)], 2)
    leave_slope = squashed * leave * (1 - leave)
    by_gates = torch.empty_like(gates)
    by_output, by_cell = by_outputs[-1], torch.zeros_like(cells[0])
    for step in range(len(gates) - 1, -1, -1):
        by_cell = torch.addcmul(by_cell, by_output, cell_slope[step])
        torch.mul(by_cell.repeat(1, 3), factors[step], out=by_gates[step, :, : factors.shape[2]])
        torch.mul(by_output, leave_slope[step], out=by_gates[step, :, factors.shape[2] :])
        by_cell = by_cell * stay[step]
        if step:
            by_output = torch.addmm(by_outputs[step - 1], by_gates[step], recurrent)
    return by_gates


def rnn_rbm_by_hand(net: RnnRbmByHand, x: Tensor, y: Tensor) -> list[Derivative]:
    """Derivatives of the difference of free energies; computes, too, what training is watched by.

    Args:
        net: what is trained.
        x: (frames, 88).
        y: is not read.
    """
    by_input, by_state, *biases = net.recurrent.parameters()
    count, units = len(x), len(by_state)
    states = torch.cat([x.new_zeros(1, units), net.recurrent(x.unsqueeze(0))[0][0]])
    before = states[:-1]
    b = torch.addmm(net.visible.bias, before, net.visible.weight.t())
    c = torch.addmm(net.hidden.bias, before, net.hidden.weight.t())
    positive = torch.addmm(c, x, net.weight)
    v, negative = x, positive
    for _ in range(15):
        v = sample(torch.addmm(b, sample(negative), net.weight.t()))
        negative = torch.addmm(c, v, net.weight)
    logits = torch.addmm(b, sample(negative), net.weight.t())
    net.watched = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    means = torch.cat([positive, negative]).sigmoid_().div_(count)
    means[:count].neg_()
    by_b, by_c = (v - x) / count, means[:count] + means[count:]
    by_states = torch.addmm(by_b @ net.visible.weight, by_c, net.hidden.weight)
    by_inputs = through_states(torch.cat([by_states, x.new_zeros(1, units)]), states, by_state)
    total = by_inputs.sum(0)
    return [
        Derivative(net.weight, (torch.cat([x, v]).t(), means)),
        Derivative(net.visible.weight, (by_b.t(), before)),
        Derivative(net.visible.bias, rest=by_b.sum(0)),
        Derivative(net.hidden.weight, (by_c.t(), before)),
        Derivative(net.hidden.bias, rest=by_c.sum(0)),
        Derivative(by_input, (by_inputs.t(), x)),
        Derivative(by_state, (by_inputs.t(), before)),
        *(Derivative(bias, rest=total) for bias in biases),
    ]


def through_states(by_states: Tensor, states: Tensor, recurrent: Tensor) -> Tensor:
    """Derivatives by the inputs of tanh units, (frames, units), back through time.

    Args:
        by_states: by each state alone, the fixed first one included; (1 + frames, units). Is overwritten.
        states: (1 + frames, units).
        recurrent: (units, units).
    """
    slopes = 1 - states * states
    below = torch.split(by_states, 1)
    for step in range(len(states) - 2, 0, -1):  # the last state is of no use
        below[step - 1].addmm_(below[step].mul_(slopes[step]), recurrent)
    return by_states[1:]
