"""Where the chains that are drawn begin."""

import types

import pytest
import torch

from dlpipe_boltzmann.sheets import consecutive_test_examples


@pytest.fixture
def data():
    """Examples 0 to 9 in three batches."""
    x = torch.arange(10.0).unsqueeze(1)
    return types.SimpleNamespace(test_dataloader=lambda: [(part, None) for part in torch.split(x, 4)])


def test_examples_are_consecutive_from_one_chosen_at_random(data):
    torch.manual_seed(0)
    begun = set()
    for _ in range(100):
        rows = consecutive_test_examples(data, 4).flatten()
        assert ((rows[1:] - rows[:-1]) % 10 == 1).all()
        begun.add(int(rows[0]))
    assert begun == set(range(10))


def test_more_than_there_are_begin_again(data):
    rows = consecutive_test_examples(data, 25).flatten()
    assert len(rows) == 25
    assert torch.equal(rows[10:20], rows[:10])
