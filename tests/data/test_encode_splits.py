"""Encoding the splits that a stage trains on."""

from functools import partial

import pytest
import torch
from torch import nn

from dlpipe.data.encode_splits import encode_splits
from dlpipe.data.minibatches import Split

X, Y = torch.rand(20, 6, generator=torch.Generator().manual_seed(0)), torch.zeros(20, dtype=torch.int64)


class Noisy(nn.Module):
    """Drops units in training mode, in one of its submodules."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, x):
        return self.frozen(self.dropout(x))

    def encode(self, x, depth=1):
        return self(x)


NOISY = {
    "a module": lambda module: module,
    "a method": lambda module: module.encode,
    "a partial of a module": lambda module: partial(module),
    "a partial of a partial of a method": lambda module: partial(partial(module.encode), depth=2),
}


@pytest.mark.parametrize("encode_of", NOISY.values(), ids=NOISY)
def test_the_encoder_is_in_evaluation_mode_and_its_modes_are_restored(encode_of):
    module = Noisy()
    found = encode_splits({"train": Split(X, Y)}, encode_of(module), 8)
    assert torch.equal(found["train"].x, X)
    assert [module.training, module.dropout.training, module.frozen.training] == [True, True, False]


def test_the_mode_is_restored_after_an_error():
    module = Noisy()
    with pytest.raises(TypeError):
        encode_splits({"train": Split(X, Y)}, partial(module.encode, wide=1), 8)
    assert module.dropout.training


def test_a_plain_function_can_encode_and_the_test_set_is_left_out():
    found = encode_splits({name: Split(X, Y) for name in ("train", "val", "test")}, lambda x: x[:, :2], 8)
    assert sorted(found) == ["train", "val"]
    assert torch.equal(found["val"].x, X[:, :2])
    assert torch.equal(found["val"].y, Y)
