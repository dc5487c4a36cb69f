"""Images moved by columns of a table."""

import pytest
import torch

from dlpipe_supervised.shifts import shifted_columns
from dlpipe_supervised.sigmoid_network import SigmoidNetwork


def test_each_row_moves_the_image():
    image = torch.rand(2, 5, 4)
    columns = shifted_columns([2, 5, 4], 1)
    moved = [image.flatten()[row].reshape(2, 5, 4) for row in columns]
    assert len(moved) == 9
    wanted = [image.roll((down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert all(one.equal(other) for one, other in zip(moved, wanted, strict=True))


def test_no_shift_is_none():
    assert shifted_columns([1, 2, 3], 0) is None


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match=r"max_shift=2: examples of the shape \[6\] cannot be moved; set it to 0"):
        shifted_columns([6], 2)


@torch.no_grad()
def test_a_training_step_sees_moved_examples_and_evaluation_does_not():
    torch.manual_seed(0)
    network = SigmoidNetwork(6, [4], 2, shifts=shifted_columns([1, 2, 3], 1))
    torch.nn.init.normal_(network.output.weight)
    x, y = torch.rand(5, 6), torch.tensor([0, 1, 0, 1, 1])
    losses = {round(float(network.training_step((x, y), 0)), 5) for _ in range(200)}
    wanted = {
        round(float(torch.nn.functional.cross_entropy(network(x[:, row]), y)), 5)
        for row in shifted_columns([1, 2, 3], 1)
    }
    assert losses == wanted
    assert "shifts" not in network.state_dict()
