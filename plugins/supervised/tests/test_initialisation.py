"""Initial weights and parameter counts as the tutorials state them."""

import pytest
import torch

from dlpipe_supervised.initialisation import tanh_bound, uniform_
from dlpipe_supervised.lenet import LeNet
from dlpipe_supervised.logistic_regression import LogisticRegression
from dlpipe_supervised.mlp import MLP


@pytest.fixture
def logreg():
    return LogisticRegression(784, 10, [1, 28, 28])


@pytest.fixture
def mlp():
    torch.manual_seed(1234)
    return MLP(784, 10, [1, 28, 28])


@pytest.fixture
def lenet():
    torch.manual_seed(1234)
    return LeNet([1, 28, 28], 10, [20, 50])


@pytest.mark.parametrize(
    ("name", "count"), [("logreg", 784 * 10 + 10), ("mlp", 397_510), ("lenet", 520 + 25_050 + 400_500 + 5_010)]
)
def test_the_model_has_as_many_parameters_as_in_the_tutorial(name, count, request):
    assert sum(parameter.numel() for parameter in request.getfixturevalue(name).parameters()) == count


def test_the_bound_keeps_the_scale_under_tanh():
    assert tanh_bound(784, 500) == pytest.approx(0.06836, abs=5e-6)


def test_weights_are_drawn_evenly_between_the_bounds():
    torch.manual_seed(0)
    weight = torch.empty(100_000, dtype=torch.float64)
    uniform_(weight, 0.5)
    assert weight.abs().max() <= 0.5
    # mean and mean square of U[-a, a] are 0 and a^2 / 3: five standard errors
    assert abs(weight.mean()) < 5 * (0.25 / 3 / 100_000) ** 0.5
    assert abs(weight.square().mean() - 0.25 / 3) < 5 * (0.0625 * 4 / 45 / 100_000) ** 0.5


@pytest.mark.parametrize(
    ("model", "layer", "bound"),
    [
        ("mlp", "hidden", 0.06836),
        ("lenet", "conv1", 0.2),
        ("lenet", "conv2", 0.08596),
        ("lenet", "hidden", 0.06794),
    ],
)
def test_weights_fill_the_tutorials_interval(model, layer, bound, request):
    weight = getattr(request.getfixturevalue(model), layer).weight
    assert weight.abs().max() < bound + 5e-6
    assert weight.min() < -0.95 * bound
    assert weight.max() > 0.95 * bound


@pytest.mark.parametrize(
    ("model", "parameter"),
    [
        ("logreg", "linear.weight"),
        ("logreg", "linear.bias"),
        ("mlp", "hidden.bias"),
        ("mlp", "output.weight"),
        ("mlp", "output.bias"),
        ("lenet", "conv1.bias"),
        ("lenet", "conv2.bias"),
        ("lenet", "hidden.bias"),
        ("lenet", "output.weight"),
        ("lenet", "output.bias"),
    ],
)
def test_the_softmax_layer_and_every_bias_start_at_zero(model, parameter, request):
    assert not request.getfixturevalue(model).get_parameter(parameter).any()


@pytest.mark.parametrize("model", ["logreg", "mlp", "lenet"])
def test_before_training_every_class_is_as_likely(model, request):
    batch = torch.rand(3, 784), torch.zeros(3, dtype=torch.int64)
    probabilities = request.getfixturevalue(model).predict_step(batch, 0)
    torch.testing.assert_close(probabilities, torch.full((3, 10), 0.1))
