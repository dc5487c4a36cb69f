"""What the classifiers draw and predict."""

import pytest
import torch

from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.lenet import LeNet
from dlpipe_supervised.logistic_regression import LogisticRegression
from dlpipe_supervised.mlp import MLP


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (LogisticRegression(784, 10, [1, 28, 28]), (28, 289)),
        (MLP(784, 10, [1, 28, 28]), (289, 289)),
        (MLP(784, 10, [1, 28, 28], num_hidden=12), (57, 289)),
        (LeNet([1, 28, 28], 10, [20, 50]), (11, 59)),
    ],
    ids=["logreg", "mlp shows a hundred units", "two rows", "lenet"],
)
def test_first_layer_filters_are_tiled_in_rows_of_ten(model, shape):
    assert model.figures()["filters"].shape == shape


def test_filters_of_several_channels_are_not_drawn():
    assert LeNet([3, 28, 28], 10, [20, 50]).figures() == {}
    assert LogisticRegression(48, 10, [3, 4, 4]).figures() == {}


def test_weights_of_what_is_no_image_are_not_drawn():
    assert LogisticRegression(48, 10, [48]).figures() == {}


def test_a_filter_is_drawn_where_it_stands_in_the_weight():
    weight = torch.zeros(3, 4)
    weight[2, 1] = 1  # third filter, top right of 2 x 2
    sheet = filter_figures(weight, [1, 2, 2])["filters"]
    assert sheet.shape == (2, 8)  # three tiles of two columns, a black one between them
    assert [(int(row), int(column)) for row, column in zip(*sheet.nonzero(), strict=True)] == [(0, 7)]


@pytest.mark.parametrize("name", ["logreg", "mlp", "lenet"])
def test_predictions_are_probabilities(name):
    torch.manual_seed(0)
    models = {
        "logreg": LogisticRegression(784, 10, [1, 28, 28]),
        "mlp": MLP(784, 10, [1, 28, 28]),
        "lenet": LeNet([1, 28, 28], 10, [20, 50]),
    }
    model = models[name]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    probabilities = model.predict_step((torch.rand(5, 784), torch.zeros(5, dtype=torch.int64)), 0)
    assert probabilities.shape == (5, 10)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))


def test_a_hundred_filters_are_drawn():
    weight = torch.zeros(101, 4)
    weight[99, 3] = 1  # hundredth filter, bottom right of 2 x 2
    sheet = filter_figures(weight, [1, 2, 2])["filters"]
    assert sheet.shape == (29, 29)
    assert sheet[-1, -1] == 255
