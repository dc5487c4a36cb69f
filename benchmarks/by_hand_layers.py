"""Derivatives by hand of classifiers that are a list of layers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from derivative import Derivative

aten = torch.ops.aten
# of the derivative by the output, and the output
BY_OUTPUT: dict[type[nn.Module], Callable[[Tensor, Tensor], Tensor]] = {
    nn.Tanh: lambda above, outer: aten.tanh_backward(above, outer),
    nn.Sigmoid: lambda above, outer: aten.sigmoid_backward(above, outer),
    nn.ReLU: lambda above, outer: aten.threshold_backward(above, outer, 0),
}
# maps of so many images stay in a core's cache from convolution to pooling
IMAGES_AT_ONCE = 50
# a layer with its input, its output, and what else its derivative needs
Passed = tuple[nn.Module, Tensor, Tensor, Any]


def layers_by_hand(net: nn.Sequential, x: Tensor, y: Tensor) -> list[Derivative]:
    """Derivatives of the mean negative log-likelihood.

    Args:
        net: logits (examples, classes) of x.
        x: (examples, pixels).
        y: (examples,).
    """
    layers = list(net)
    flat = next((index + 1 for index, layer in enumerate(layers) if isinstance(layer, nn.Flatten)), 0)
    maps = [forward(layers[:flat], part) for part in torch.split(x, IMAGES_AT_ONCE)] if flat else []
    dense = forward(layers[flat:], torch.cat([passed[-1][2] for passed in maps]) if flat else x)
    above = by_logits(dense[-1][2], y)
    derivatives, above = backward(dense, above, to_input=bool(flat))
    for passed, part in zip(maps, torch.split(above, IMAGES_AT_ONCE), strict=False):
        derivatives += backward(passed, part, to_input=False)[0]
    return derivatives


def by_logits(logits: Tensor, y: Tensor) -> Tensor:
    """The derivative of the mean negative log-likelihood, (examples, classes) as the logits."""
    minus = torch.full((len(y), 1), -1, dtype=logits.dtype, device=logits.device)
    return logits.softmax(1).scatter_add_(1, y.unsqueeze(1), minus).div_(len(y))


def forward(layers: Sequence[nn.Module], x: Tensor) -> list[Passed]:
    """Each layer with its values."""
    passed: list[Passed] = []
    for layer in layers:
        indices = None
        if isinstance(layer, nn.MaxPool2d):
            outer, indices = aten.max_pool2d_with_indices(x, [layer.kernel_size] * 2)
        elif isinstance(layer, nn.Linear):
            outer = torch.addmm(layer.bias, x, layer.weight.t())
        else:
            outer = layer(x)
        if isinstance(layer, nn.Unflatten):
            outer = outer.contiguous(memory_format=torch.channels_last)
        passed.append((layer, x, outer, indices))
        x = outer
    return passed


def backward(passed: Sequence[Passed], above: Tensor, to_input: bool) -> tuple[list[Derivative], Tensor]:
    """Derivatives by the parameters, and by the input of the first layer if ``to_input``.

    Args:
        passed: layers with their values, from `forward`.
        above: derivative by the output of the last of them.
        to_input: whether the derivative by the input of the first layer with parameters is needed.
    """
    derivatives: list[Derivative] = []
    with_parameters = [layer for layer, *_ in passed if isinstance(layer, (nn.Linear, nn.Conv2d))]
    for layer, inner, outer, indices in reversed(passed):
        is_needed = to_input or layer is not with_parameters[0]
        if isinstance(layer, nn.Linear):
            derivatives += [
                Derivative(layer.weight, product=(above.t(), inner)),
                Derivative(layer.bias, rest=above.sum(0)),
            ]
            above = above @ layer.weight if is_needed else above
        elif isinstance(layer, nn.Conv2d):
            wanted = [is_needed, True, True]
            options = ([layer.out_channels], layer.stride, [0, 0], [1, 1], False, [0, 0], 1)
            below, weight, bias = aten.convolution_backward(above, inner, layer.weight, *options, wanted)
            derivatives += [Derivative(layer.weight, rest=weight), Derivative(layer.get_parameter("bias"), rest=bias)]
            above = below
            if not is_needed:
                break
        elif isinstance(layer, nn.MaxPool2d):
            size = [layer.kernel_size] * 2
            above = aten.max_pool2d_with_indices_backward(above, inner, size, size, [0, 0], [1, 1], False, indices)
        elif isinstance(layer, (nn.Flatten, nn.Unflatten)):
            above = above.reshape(inner.shape)
        else:
            above = BY_OUTPUT[type(layer)](above, outer)
    return derivatives, above
