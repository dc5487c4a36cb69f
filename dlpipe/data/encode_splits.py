"""The training data of a stage: the examples as encoded by the layers below, computed once."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from dlpipe.data.minibatches import Split
from dlpipe.data.pixel_scaling import scale_pixels
from dlpipe.data.split_cache import Splits


@torch.no_grad()
def encode_splits(splits: Splits, encode: Callable[[Tensor], Tensor], batch_size: int) -> Splits:
    """Train and val with ``encode(x)`` in place of x, all in memory; without test, since a stage is not tested.

    Args:
        splits: x (examples, features), floating point or uint8.
        encode: maps (examples, features) to (examples, units), each row independently of the others. If it is a module,
            a method of one, or a partial of either, the module is in evaluation mode meanwhile: the output is computed
            once, so one dropout mask would otherwise hold for all epochs.
        batch_size: examples encoded at a time.
    """
    with _evaluation_mode(encode):
        return {
            name: Split(torch.cat([encode(scale_pixels(rows)) for rows in torch.split(x, batch_size)]), y)
            for name, (x, y) in splits.items()
            if name != "test"
        }


@contextlib.contextmanager
def _evaluation_mode(encode: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Put the module behind ``encode`` in evaluation mode, then restore the mode of each of its submodules."""
    while isinstance(encode, partial):
        encode = encode.func
    owner = getattr(encode, "__self__", encode)
    modes = {module: module.training for module in owner.modules()} if isinstance(owner, nn.Module) else {}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
