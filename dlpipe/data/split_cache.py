"""The splits that this process loaded last, cached in memory.

The checks before a run load the dataset, then the run trains on it, and so do the other jobs of a sweep.
"""

from collections.abc import Callable, Hashable

from torch import Tensor

from dlpipe.data.minibatches import Split, SplitName

Splits = dict[SplitName, Split]

_last: dict[Hashable, tuple[Splits, list[int]]] = {}


def load_once(source: Hashable, load: Callable[[], Splits]) -> Splits:
    """The cached splits of the same source if nobody wrote to their tensors since; otherwise what ``load`` returns.

    Args:
        source: everything that determines the splits: checksums of the files, and the options that they are read with.
        load: loads the splits.
    """
    cached = _last.get(source)
    if cached is None or _writes(cached[0]) != cached[1]:
        clear_split_cache()  # before loading: two datasets need not fit in memory
        splits = load()
        if any(tensor.is_inference() for tensor in _tensors(splits)):  # torch does not count writes to these
            return splits
        cached = _last[source] = splits, _writes(splits)
    return dict(cached[0])


def clear_split_cache() -> None:
    """Free the memory of the cached splits."""
    _last.clear()


def _tensors(splits: Splits) -> list[Tensor]:
    return [tensor for split in splits.values() for tensor in split]


def _writes(splits: Splits) -> list[int]:
    """How often each tensor, or one that shares its memory, was written to in place: torch counts it for autograd."""
    return [tensor._version for tensor in _tensors(splits)]
