"""Tied layers against the formulas of codes, reconstruction and gradient."""

import pytest
import torch

from dlpipe_autoencoders.reconstruction import reconstruction_loss
from dlpipe_autoencoders.tied import TiedLayers

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def layers(build):
    return build(TiedLayers, 5, 3)


@pytest.fixture
def x():
    return torch.rand(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def sigmoid(a):
    return 1 / (1 + torch.exp(-a))


def test_codes_and_reconstruction_are_the_formulas(layers, x):
    W, b, b_prime = layers.weight, layers.hidden_bias, layers.visible_bias
    codes = sigmoid(x @ W + b)
    torch.testing.assert_close(layers.encode(x), codes, **TIGHT)
    torch.testing.assert_close(torch.sigmoid(layers.decode(codes)), sigmoid(codes @ W.T + b_prime), **TIGHT)


def test_the_gradients_are_those_of_the_definition(layers, x):
    parameters = [layers.weight, layers.hidden_bias, layers.visible_bias]
    W, b, b_prime = parameters
    z = sigmoid(sigmoid(x @ W + b) @ W.T + b_prime)
    definition = -(x * torch.log(z) + (1 - x) * torch.log(1 - z)).sum(1).mean()
    ours = reconstruction_loss(layers.decode(layers.encode(x)), x)
    torch.testing.assert_close(ours, definition, **TIGHT)
    for own, wanted in zip(*(torch.autograd.grad(loss, parameters) for loss in (ours, definition)), strict=True):
        torch.testing.assert_close(own, wanted, **TIGHT)


def test_the_weight_gets_a_gradient_as_encoder_and_as_decoder(layers, x):
    h = layers.encode(x)
    logits = layers.decode(h)
    dz = (torch.sigmoid(logits) - x) / len(x)
    dh = (dz @ layers.weight) * h * (1 - h)
    (gradient,) = torch.autograd.grad(reconstruction_loss(logits, x), layers.weight)
    torch.testing.assert_close(gradient, x.T @ dh + dz.T @ h, **TIGHT)


def test_weights_fill_the_tutorials_interval_and_biases_are_zero():
    torch.manual_seed(0)
    layers = TiedLayers(784, 500)
    bound = 4 * (6 / 1284) ** 0.5
    assert layers.weight.shape == (784, 500)
    assert 0.999 * bound < layers.weight.abs().max() <= bound
    # mean and mean square of U[-a, a] are 0 and a^2 / 3: five standard errors
    assert abs(layers.weight.mean()) < 5 * bound * (1 / 3 / 392_000) ** 0.5
    assert abs(layers.weight.square().mean() - bound**2 / 3) < 5 * bound**2 * (4 / 45 / 392_000) ** 0.5
    assert not layers.hidden_bias.any()
    assert not layers.visible_bias.any()


def test_it_has_as_many_parameters_as_in_the_tutorial():
    assert sum(parameter.numel() for parameter in TiedLayers(784, 500).parameters()) == 393_284
