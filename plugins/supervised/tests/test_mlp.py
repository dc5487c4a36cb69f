"""The multilayer perceptron against plain autograd on the formula of its loss."""

import copy

import pytest
import torch
import torch.nn.functional as F

from dlpipe_supervised.mlp import MLP

PENALTIES = [(0.0, 0.0), (0.003, 0.0), (0.0, 0.01), (0.003, 0.01)]
OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
}


@pytest.fixture
def make(build):
    return lambda **penalties: build(MLP, 6, 3, [1, 2, 3], num_hidden=4, **penalties)


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(10, 5, 6, generator=generator, dtype=torch.float64)
    return list(zip(x, torch.randint(3, (10, 5), generator=generator), strict=True))


def tutorial_loss(model, x, y, l1, l2):
    """NLL + l1 * sum |W| + l2 * sum W^2, with every term differentiated."""
    W1, b1, W2, b2 = model.hidden.weight, model.hidden.bias, model.output.weight, model.output.bias
    log_p = F.log_softmax(torch.tanh(x @ W1.T + b1) @ W2.T + b2, 1)
    nll = -log_p[range(len(y)), y].mean()
    return nll + l1 * (W1.abs().sum() + W2.abs().sum()) + l2 * ((W1**2).sum() + (W2**2).sum())


def train(model, optimizer, loss_of, batches):
    """Losses of one update a minibatch."""
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


@pytest.fixture
def both(make, batches):
    """The model trained as it trains, and a copy trained by autograd on the tutorial's loss."""

    def run(optimizer, l1, l2):
        model = make(l1=l1, l2=l2)
        reference = copy.deepcopy(model)
        ours = train(
            model,
            OPTIMIZERS[optimizer](model.parameter_groups()),
            lambda batch: model.training_step(batch, 0) + model.penalty(),
            batches,
        )
        plain = train(
            reference,
            OPTIMIZERS[optimizer](reference.parameters()),
            lambda batch: tutorial_loss(reference, *batch, l1, l2),
            batches,
        )
        return (model, ours), (reference, plain)

    return run


@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_equals_autograd_on_the_tutorials_loss(both, optimizer, l1, l2):
    (model, _), (reference, _) = both(optimizer, l1, l2)
    for ours, plain in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("l1", "l2"), PENALTIES)
def test_the_loss_that_is_reported_contains_the_penalties(both, l1, l2):
    (_, ours), (_, plain) = both("sgd", l1, l2)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)


def test_every_parameter_is_in_one_group(make):
    model = make()
    grouped = [parameter for group in model.parameter_groups() for parameter in group["params"]]
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in model.parameters()}
    assert len(grouped) == len(list(model.parameters()))


def test_l2_is_half_the_weight_decay_of_weights_and_of_nothing_else(make):
    model = make(l2=0.01)
    decay = {id(p): group["weight_decay"] for group in model.parameter_groups() for p in group["params"]}
    assert [decay[id(layer.weight)] for layer in (model.hidden, model.output)] == [0.02, 0.02]
    assert [decay[id(layer.bias)] for layer in (model.hidden, model.output)] == [0, 0]
