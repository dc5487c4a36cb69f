"""Examples that are sequences: as lists of pairs, and their minibatches, padded with 0."""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from cases import Case

Pair = tuple[Tensor, Tensor]


def examples(case: Case, split: Literal["train", "val"] = "train") -> list[Pair]:
    """What one epoch sees, or what is validated on: a sequence, and what is to be told of it or of its entries."""
    count = case.updates * case.batch_size if split == "train" else None
    # imported only where they are needed, as memory is measured too
    if case.dataset == "nottingham":
        import tunes

        return tunes.whole_tunes() if count is None else tunes.pieces(count)
    import words

    return (words.sentences if case.dataset == "atis" else words.reviews)(split)[:count]


def minibatches(pairs: list[Pair], batch_size: int) -> Iterable[Pair]:
    """The pairs themselves, where each is a minibatch; else so many at a time, padded."""
    if batch_size == 1:
        return pairs
    return (padded(pairs[start : start + batch_size]) for start in range(0, len(pairs), batch_size))


def loader(pairs: list[Pair], batch_size: int) -> "DataLoader[Pair]":
    """The same in a DataLoader."""
    if batch_size == 1:
        return DataLoader(pairs, batch_size=None)  # type: ignore[arg-type]  # a list is a dataset
    return DataLoader(pairs, batch_size, collate_fn=padded)  # type: ignore[arg-type]  # a list is a dataset


def padded(pairs: Sequence[Pair]) -> Pair:
    """x (sequences, entries of the longest) and y (sequences,)."""
    x, y = zip(*pairs, strict=True)
    return pad_sequence(list(x), batch_first=True), torch.stack(y)
