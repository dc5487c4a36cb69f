"""The splits that were loaded last, for whoever asks for the same in this process.

The full pass loads a dataset to hold it against the config, and the run trains on it; the jobs of a sweep follow.
"""

from collections.abc import Callable, Hashable

from torch import Tensor

from dlpipe.data.minibatches import Split, SplitName

Splits = dict[SplitName, Split]

_last: dict[Hashable, tuple[Splits, list[int]]] = {}


def load_once(source: Hashable, load: Callable[[], Splits]) -> Splits:
    """What ``load`` gave for the same source the last time, unless somebody has written to it; else what it gives.

    Args:
        source: all that the splits are a function of: the files' contents, and what is made of them.
        load: reads them.
    """
    kept = _last.get(source)
    if kept is None or _writes(kept[0]) != kept[1]:
        forget()  # before loading: two datasets need not fit in memory
        splits = load()
        if any(tensor.is_inference() for tensor in _tensors(splits)):  # torch does not count writes to these
            return splits
        kept = _last[source] = splits, _writes(splits)
    return dict(kept[0])


def forget() -> None:
    """Let go of them, where this process needs them no more."""
    _last.clear()


def _tensors(splits: Splits) -> list[Tensor]:
    return [tensor for split in splits.values() for tensor in split]


def _writes(splits: Splits) -> list[int]:
    """How often each tensor, or one that shares its memory, was written to in place: torch counts it for autograd."""
    return [tensor._version for tensor in _tensors(splits)]
