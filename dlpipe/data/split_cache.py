"""The splits that this process loaded last, cached in memory.

The checks before a run load the dataset; the run, and the other jobs of a sweep, then find it in this cache.
"""

from collections.abc import Callable, Hashable

from torch import Tensor

from dlpipe.data.minibatches import Split, SplitName

Splits = dict[SplitName, Split]

_cache: dict[Hashable, tuple[Splits, list[int]]] = {}


def cached_splits(source: Hashable, load: Callable[[], Splits]) -> Splits:
    """The cached splits of ``source`` if their tensors were not written to since; otherwise what ``load`` returns.

    Args:
        source: everything that determines the splits: the checksums of the files, and the options they are read with.
        load: loads the splits.
    """
    cached = _cache.get(source)
    if cached is None or _versions(cached[0]) != cached[1]:
        clear_split_cache()  # before loading: two datasets may not fit in memory
        splits = load()
        if any(tensor.is_inference() for tensor in _tensors(splits)):  # torch does not count writes to these
            return splits
        cached = _cache[source] = splits, _versions(splits)
    return dict(cached[0])


def clear_split_cache() -> None:
    """Free the memory of the cached splits."""
    _cache.clear()


def _tensors(splits: Splits) -> list[Tensor]:
    return [tensor for split in splits.values() for tensor in split]


def _versions(splits: Splits) -> list[int]:
    """Autograd's version counters: in-place writes to each tensor, or to a view of it, since it was made."""
    return [tensor._version for tensor in _tensors(splits)]
