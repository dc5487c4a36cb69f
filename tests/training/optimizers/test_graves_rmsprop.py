"""Graves' RMSprop against its formula written out, and on a whole run."""

import numpy as np
import pytest
import torch

from dlpipe.training.optimizers.graves_rmsprop import GravesRMSprop


def test_updates_are_those_of_the_formula():
    """The tutorial's: means with .95, momentum .9, 1e-4 below the root."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(3, 2, dtype=torch.float64))
    value = weight.detach().numpy().copy()
    optimizer = GravesRMSprop([weight])
    mean, squares, update = np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((3, 2))
    for step in range(20):
        optimizer.zero_grad()
        ((weight - 1) ** 4 + step * weight).sum().backward()
        gradient = 4 * (value - 1) ** 3 + step
        mean = 0.95 * mean + 0.05 * gradient
        squares = 0.95 * squares + 0.05 * gradient**2
        update = 0.9 * update - 1e-4 * gradient / np.sqrt(squares - mean**2 + 1e-4)
        value = value + update
        optimizer.step()
        np.testing.assert_allclose(weight.detach().numpy(), value, rtol=1e-12)


def test_it_is_not_torchs_centred_one():
    """There eps is outside the root: where gradients hardly change, the steps are far larger."""
    own, other = (torch.nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2))
    optimizers = (
        GravesRMSprop([own], lr=1e-4, momentum=0.9),
        torch.optim.RMSprop([other], lr=1e-4, alpha=0.95, eps=1e-4, momentum=0.9, centered=True),
    )
    for _ in range(300):
        for parameter, optimizer in zip((own, other), optimizers, strict=True):
            optimizer.zero_grad()
            (0.01 * parameter).sum().backward()
            optimizer.step()
    assert 1 - own.item() < (1 - other.item()) / 5


def test_weight_decay_is_added_to_the_gradient_and_a_closure_is_called():
    decayed, plain = (torch.nn.Parameter(torch.tensor([2.0, -1.0])) for _ in range(2))
    first, second = GravesRMSprop([decayed], weight_decay=0.5), GravesRMSprop([plain])

    def loss():
        first.zero_grad()
        total = decayed.sum()
        total.backward()
        return total

    for _ in range(5):
        assert first.step(loss).item() == pytest.approx(decayed.sum().item(), abs=0.1)
        second.zero_grad()
        (plain.sum() + 0.25 * plain.square().sum()).backward()
        second.step()
    torch.testing.assert_close(decayed, plain)


def test_steady_gradients_give_numbers():
    """In single precision the mean of squares may come out below the square of the mean."""
    weight = torch.nn.Parameter(torch.zeros(1000))
    optimizer = GravesRMSprop([weight])
    slope = torch.linspace(100, 200, 1000)
    for _ in range(300):
        optimizer.zero_grad()
        (slope * weight).sum().backward()
        optimizer.step()
    assert weight.isfinite().all()


def test_what_has_no_gradient_stays():
    still = torch.nn.Parameter(torch.ones(2))
    GravesRMSprop([still]).step()
    assert still.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("lr", -1, "at least 0"),
        ("decay", 1, "at least 0 and below 1"),
        ("momentum", -0.1, "at least 0 and below 1"),
        ("eps", 0, "above 0"),
        ("weight_decay", -1, "at least 0"),
    ],
)
def test_a_value_out_of_its_range_is_refused(name, value, allowed):
    with pytest.raises(ValueError, match=f"{name}={value}: it must be {allowed}"):
        GravesRMSprop([torch.nn.Parameter(torch.ones(1))], **{name: value})


def test_it_is_chosen_by_name(cli):
    result = cli("model=logreg", "optimizer=graves_rmsprop", "optimizer.lr=0.01", "recipe.max_epochs=3")
    assert result.code == 0, result.err
    refused = cli("model=logreg", "optimizer=graves_rmsprop", "optimizer.decay=1.5")
    assert refused.code == 2
    assert "optimizer.decay=1.5" in refused.err
    assert "at least 0 and below 1" in refused.err
