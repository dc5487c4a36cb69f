"""The gradient of training against the formula, and against the exact gradient of the log-likelihood."""

import pytest
import torch

from dlpipe_boltzmann.contrastive_divergence import contrastive_divergence
from dlpipe_boltzmann.energy import Parameters, hidden_mean, visible_preactivation
from dlpipe_boltzmann.exact import log_likelihood

CHAINS = 200_000


@pytest.fixture
def machine(tiny):
    return Parameters(*(value.requires_grad_() for value in tiny))


@pytest.fixture
def x():
    """Grey levels."""
    return torch.rand(6, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def gradient(loss, machine):
    return torch.autograd.grad(loss, machine)


def statistics(machine, v):
    """Of each example, minus the derivatives of its free energy by W, b and c, written out."""
    mean = hidden_mean(machine.detach(), v)
    return v.unsqueeze(2) * mean.unsqueeze(1), v, mean


def test_the_gradient_is_the_difference_of_the_mean_statistics(machine, x):
    found = contrastive_divergence(machine, x, 2, generator=torch.Generator().manual_seed(0))
    pairs = zip(statistics(machine, found.end.v), statistics(machine, x), strict=True)
    for ours, (end, data) in zip(gradient(found.loss, machine), pairs, strict=True):
        torch.testing.assert_close(ours, end.mean(0) - data.mean(0), rtol=1e-12, atol=1e-14)


def test_with_chains_at_the_model_distribution_it_is_the_gradient_of_the_log_likelihood(machine, draw_joint, generator):
    data = torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 1, 1], [1, 0, 0]], dtype=torch.float64)
    wanted = gradient(-log_likelihood(machine, data).mean(), machine)
    _, h = draw_joint(CHAINS, generator)
    found = contrastive_divergence(machine, data, 1, h, generator)
    for ours, exact, spread in zip(
        gradient(found.loss, machine), wanted, statistics(machine, found.end.v), strict=True
    ):
        assert ((ours - exact).abs() < 5 * spread.std(0) / CHAINS**0.5).all()


def test_cd_chains_begin_at_a_sample_of_the_hidden_units_of_the_data(machine, generator):
    v = torch.tensor([[1.0, 0, 1]], dtype=torch.float64)
    found = contrastive_divergence(machine, v.expand(CHAINS, -1), 1, generator=generator)
    # p(v' | v) in one step: a mean over the hidden states that v may lead to
    mean, wanted = hidden_mean(machine.detach(), v)[0], 0
    for h in torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64):
        weight = (h * mean + (1 - h) * (1 - mean)).prod()
        wanted = wanted + weight * torch.sigmoid(visible_preactivation(machine.detach(), h[None]))[0]
    error = (wanted * (1 - wanted) / CHAINS).sqrt()
    assert ((found.end.v.mean(0) - wanted).abs() < 5 * error).all()


def test_persistent_chains_go_on_from_where_they_were(machine, x):
    chain = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0], [1, 0]], dtype=torch.float64)
    found = contrastive_divergence(machine, x, 1, chain)
    torch.testing.assert_close(found.end.preactivation, visible_preactivation(machine.detach(), chain))


def test_there_may_be_other_chains_than_examples(machine, x):
    found = contrastive_divergence(machine, x, 3, torch.zeros(50, 2, dtype=torch.float64))
    assert found.loss.shape == ()
    assert found.end.v.shape == (50, 3)
    assert found.preactivation.shape == (50, 2)


def test_the_hidden_preactivation_at_the_end_is_that_of_the_last_sample(machine, x):
    found = contrastive_divergence(machine, x, 2)
    torch.testing.assert_close(torch.sigmoid(found.preactivation), hidden_mean(machine.detach(), found.end.v))
    assert not found.preactivation.requires_grad


def test_biases_of_each_example_get_the_gradient_of_their_example(machine, x):
    b, c = (value.detach().expand(6, -1).clone().requires_grad_() for value in machine[1:])
    several = Parameters(machine.W, b, c)
    found = contrastive_divergence(several, x, 2, generator=torch.Generator().manual_seed(0))
    _, of_b, of_c = gradient(found.loss, several)
    (_, end_b, end_c), (_, data_b, data_c) = statistics(machine, found.end.v), statistics(machine, x)
    torch.testing.assert_close(of_b, (end_b - data_b) / 6, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(of_c, (end_c - data_c) / 6, rtol=1e-12, atol=1e-14)
