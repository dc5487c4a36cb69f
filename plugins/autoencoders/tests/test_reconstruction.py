"""The cross-entropy against sums done by hand."""

import math

import pytest
import torch

from dlpipe_autoencoders.reconstruction import reconstruction_loss


def test_it_is_summed_over_pixels_and_averaged_over_examples():
    # sigmoid of 0, log 3, -log 3 is 1/2, 3/4, 1/4
    logits = torch.tensor([[0, math.log(3)], [-math.log(3), 0]], dtype=torch.float64)
    x = torch.tensor([[1, 1], [0.5, 0]], dtype=torch.float64)
    first = -math.log(1 / 2) - math.log(3 / 4)
    second = -0.5 * math.log(1 / 4) - 0.5 * math.log(3 / 4) - math.log(1 / 2)
    assert float(reconstruction_loss(logits, x)) == pytest.approx((first + second) / 2, rel=1e-14)


def test_a_blind_reconstruction_costs_log_two_a_pixel():
    loss = reconstruction_loss(torch.zeros(3, 784, dtype=torch.float64), torch.rand(3, 784, dtype=torch.float64))
    assert float(loss) == pytest.approx(784 * math.log(2), rel=1e-14)


def test_it_is_least_where_the_reconstruction_is_x():
    x = torch.tensor([[0.2, 0.7]], dtype=torch.float64)
    logits = torch.logit(x).requires_grad_()
    loss = reconstruction_loss(logits, x)
    torch.testing.assert_close(loss, -(x * x.log() + (1 - x) * (1 - x).log()).sum(), rtol=1e-14, atol=0)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], torch.zeros_like(x), rtol=0, atol=1e-16)


@pytest.mark.parametrize(("logit", "x", "loss", "slope"), [(1e4, 0, 1e4, 1), (-1e4, 1, 1e4, -1), (1e4, 1, 0, 0)])
def test_saturated_units_give_finite_losses_and_gradients(logit, x, loss, slope):
    logits = torch.tensor([[float(logit)]], requires_grad=True)
    found = reconstruction_loss(logits, torch.tensor([[float(x)]]))
    assert (found.item(), torch.autograd.grad(found, logits)[0].item()) == (loss, slope)


def test_its_gradient_is_reconstruction_minus_x_over_n():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(reconstruction_loss(logits, x), logits)
    torch.testing.assert_close(gradient, (torch.sigmoid(logits) - x) / 4, rtol=1e-12, atol=1e-15)


def test_it_is_a_scalar():
    assert reconstruction_loss(torch.zeros(3, 4), torch.zeros(3, 4)).shape == ()
