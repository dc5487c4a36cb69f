"""The closed form of the Jacobian's norm, and its gradient, against the Jacobian itself."""

import pytest
import torch
from torch.func import jacrev, vmap

from dlpipe_autoencoders.contraction import squared_jacobian_norm

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def parameters():
    """Weight and bias of an encoder from 5 inputs to 3 units."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((5, 3), (3,))
    return [torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes]


@pytest.fixture
def x():
    return torch.rand(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def closed_form(x, weight, bias):
    return squared_jacobian_norm(torch.sigmoid(x @ weight + bias), weight)


def written_out(x, weight, bias):
    """The mean over examples of the sum of all squared entries of the Jacobian."""
    jacobians = vmap(jacrev(lambda example: torch.sigmoid(example @ weight + bias)))(x)
    assert jacobians.shape == (7, 3, 5)
    return jacobians.square().sum((1, 2)).mean()


def test_it_is_the_mean_squared_norm_of_the_jacobian(x, parameters):
    torch.testing.assert_close(closed_form(x, *parameters), written_out(x, *parameters), **TIGHT)


def test_its_gradient_is_that_of_the_jacobians_norm(x, parameters):
    # the weight gets it in two ways, as a factor and through the codes
    ours, theirs = (torch.autograd.grad(norm(x, *parameters), parameters) for norm in (closed_form, written_out))
    for own, wanted in zip(ours, theirs, strict=True):
        assert wanted.abs().min() > 1e-6
        torch.testing.assert_close(own, wanted, **TIGHT)


def test_it_is_no_whole_number_and_does_not_depend_on_the_number_of_examples(x, parameters):
    once, twice = closed_form(x, *parameters), closed_form(torch.cat([x, x]), *parameters)
    torch.testing.assert_close(once, twice, **TIGHT)
    assert float(once.detach()) % 1 != 0


def test_saturated_units_do_not_change_with_their_input():
    weight = torch.full((2, 1), 100.0)
    assert float(closed_form(torch.ones(1, 2), weight, torch.zeros(1))) == 0


def test_one_unit_at_its_steepest():
    # h = 1/2: (1/4)^2 * (3^2 + 4^2)
    weight = torch.tensor([[3.0], [4.0]])
    assert float(closed_form(torch.zeros(1, 2), weight, torch.zeros(1))) == 25 / 16


def test_it_is_a_scalar():
    assert squared_jacobian_norm(torch.rand(4, 3), torch.rand(2, 3)).shape == ()
