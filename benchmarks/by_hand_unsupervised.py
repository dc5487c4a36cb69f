"""Derivatives by hand of autoencoders and Boltzmann machines."""

import torch
import torch.nn.functional as F
from torch import Tensor

from derivative import Derivative
from unsupervised import BoltzmannMachine, TiedAutoencoder


def autoencoder_by_hand(net: TiedAutoencoder, x: Tensor, y: Tensor) -> list[Derivative]:
    """Derivatives of the cross-entropy, and of the contraction; the two products of the tied weights are one.

    Args:
        net: what is trained.
        x: (examples, pixels).
        y: is not read.
    """
    weight, count = net.weight, len(x)
    seen = x * (torch.rand_like(x) < 1 - net.corruption) if net.corruption else x
    codes = torch.addmm(net.hidden_bias, seen, weight).sigmoid_()
    by_logits = torch.addmm(net.visible_bias, codes, weight.t()).sigmoid_().sub_(x).div_(count)
    by_codes = by_logits @ weight
    penalty = None
    if net.contraction:
        slope = codes * (1 - codes)
        penalty = weight * (slope.square().sum(0) * (2 * net.contraction / count))
        by_codes += (2 * net.contraction / count) * weight.square().sum(0) * slope * (1 - 2 * codes)
    by_hidden = torch.ops.aten.sigmoid_backward(by_codes, codes)
    product = torch.cat([seen, by_logits]).t(), torch.cat([by_hidden, codes])
    return [
        Derivative(weight, product, penalty),
        Derivative(net.hidden_bias, rest=by_hidden.sum(0)),
        Derivative(net.visible_bias, rest=by_logits.sum(0)),
    ]


def boltzmann_machine_by_hand(net: BoltzmannMachine, x: Tensor, y: Tensor) -> list[Derivative]:
    """Derivatives of the difference of free energies; computes, too, what training is watched by.

    Args:
        net: what is trained; its chain, if it has one, is continued.
        x: (examples, pixels).
        y: is not read.
    """
    weight, count = net.weight, len(x)
    before = torch.addmm(net.hidden_bias, x, weight)
    h = sample(before) if net.chain is None else net.chain
    for step in range(net.k):
        logits = torch.addmm(net.visible_bias, h, weight.t())
        v = sample(logits)
        after = torch.addmm(net.hidden_bias, v, weight)
        if net.chain is not None or step + 1 < net.k:
            h = sample(after)
    if net.chain is None:
        net.watched = (x * logits - F.softplus(logits)).sum() / count
    else:
        net.chain = h
        net.watched = pseudo_likelihood(net, x.round())
    means = torch.cat([before, after]).sigmoid_()
    means[:count] /= -count
    means[count:] /= len(v)
    return [
        Derivative(weight, (torch.cat([x, v]).t(), means)),
        Derivative(net.hidden_bias, rest=means.sum(0)),
        Derivative(net.visible_bias, rest=v.mean(0) - x.mean(0)),
    ]


def sample(logits: Tensor) -> Tensor:
    """1 with probability sigmoid(logits), else 0."""
    return torch.rand_like(logits).lt_(logits.sigmoid())


def pseudo_likelihood(net: BoltzmannMachine, bits: Tensor) -> Tensor:
    """784 log p(first bit | all others): without a second product, as flipping a bit adds or takes a row of W."""
    before = torch.addmm(net.hidden_bias, bits, net.weight)
    flip = 1 - 2 * bits[:, :1]
    after = torch.addcmul(before, flip, net.weight[:1])
    change = F.softplus(before).sum(1) - F.softplus(after).sum(1) - flip[:, 0] * net.visible_bias[0]
    return 784 * F.logsigmoid(change).mean()
