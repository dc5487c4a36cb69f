"""What a stage of a model trains on: the examples as the layers below represent them, computed once."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from dlpipe.data.minibatches import Split
from dlpipe.data.pixels import floating
from dlpipe.data.split_cache import Splits


@contextlib.contextmanager
def _evaluating(encode: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Evaluation mode for the module that an encoder is or is a method of, and then the modes that its parts had."""
    while isinstance(encode, partial):
        encode = encode.func
    owner = getattr(encode, "__self__", encode)
    modes = {part: part.training for part in owner.modules()} if isinstance(owner, nn.Module) else {}
    for part in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@torch.no_grad()
def encode_splits(splits: Splits, encode: Callable[[Tensor], Tensor], batch_size: int) -> Splits:
    """Train and val with ``encode(x)`` in place of x, all of it in memory; a stage is not tested.

    Args:
        splits: x (examples, features), of floating point or of bytes.
        encode: of x (examples, features), to (examples, units); each row a function of its own row alone. A module, or
            that of a method or a partial, is in evaluation mode meanwhile: what dropout left out would be left out of
            all epochs.
        batch_size: examples at a time.
    """
    with _evaluating(encode):
        return {
            name: Split(torch.cat([encode(floating(rows)) for rows in torch.split(x, batch_size)]), y)
            for name, (x, y) in splits.items()
            if name != "test"
        }
