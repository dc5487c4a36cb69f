"""What is drawn and given as samples, and where its chains begin."""

import types

import pytest
import torch

from dlpipe_boltzmann.rbm import RBM
from dlpipe_boltzmann.sheets import consecutive_test_examples


@pytest.fixture
def data_of():
    """A function that makes a dataset of test examples (examples, features), in batches of four."""

    def make(x):
        return types.SimpleNamespace(test_dataloader=lambda: [(part, None) for part in torch.split(x, 4)])

    return make


@pytest.fixture
def numbered(data_of):
    """Examples 0 to 9."""
    return data_of(torch.arange(10.0).unsqueeze(1))


def test_examples_are_consecutive_from_one_chosen_at_random(numbered):
    torch.manual_seed(0)
    begun = set()
    for _ in range(100):
        rows = consecutive_test_examples(numbered, 4).flatten()
        assert ((rows[1:] - rows[:-1]) % 10 == 1).all()
        begun.add(int(rows[0]))
    assert begun == set(range(10))


def test_more_than_there_are_begin_again(numbered):
    rows = consecutive_test_examples(numbered, 25).flatten()
    assert len(rows) == 25
    assert torch.equal(rows[10:20], rows[:10])


def test_filters_and_samples_are_as_large_as_in_the_tutorial(data_of):
    model = RBM(784, [1, 28, 28], num_hidden=100, sampling_steps=1)
    assert model.figures()["filters"].shape == (289, 289)
    samples = model.data_figures(data_of(torch.rand(30, 784)))["samples"]
    assert samples.shape == (291, 579)
    assert not samples[-2:].any()


def test_samples_are_means_and_their_picture(data_of):
    torch.manual_seed(0)
    files = RBM(6, [1, 2, 3], num_hidden=5, sampling_steps=3).sample(50, data_of(torch.rand(7, 6)))
    assert files["samples.npy"].shape == (50, 6)
    assert 0 < files["samples.npy"].min() < files["samples.npy"].max() < 1
    assert files["samples.png"].shape == (8, 79)  # three rows of twenty, of 2 x 3 pixels
    assert files["samples.png"][6:, :39].any()  # the last row has ten
    assert not files["samples.png"][6:, 40:].any()


def test_what_is_no_grey_image_is_not_drawn(data_of):
    model, data = RBM(6, [2, 1, 3], num_hidden=5, sampling_steps=1), data_of(torch.rand(7, 6))
    assert {**model.figures(), **model.data_figures(data)} == {}
    assert set(model.sample(3, data)) == {"samples.npy"}
