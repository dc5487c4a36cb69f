"""What a stage of a model trains on: the examples as the layers below represent them, computed once."""

from collections.abc import Callable

import torch
from torch import Tensor

from dlpipe.data.loaded import Splits
from dlpipe.data.minibatches import Split
from dlpipe.data.pixels import floating


@torch.no_grad()
def encoded(splits: Splits, encode: Callable[[Tensor], Tensor], batch_size: int) -> Splits:
    """Train and val with ``encode(x)`` in place of x, all of it in memory; a stage is not tested.

    Args:
        splits: x (examples, features), of floating point or of bytes.
        encode: of x (examples, features), to (examples, units); each row a function of its own row alone.
        batch_size: examples at a time.
    """
    return {
        name: Split(torch.cat([encode(floating(rows)) for rows in torch.split(x, batch_size)]), y)
        for name, (x, y) in splits.items()
        if name != "test"
    }
