"""Minibatches of tensors that stay in memory: slices, or rows of one permutation an epoch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Split(NamedTuple):
    """Examples and their labels: x (examples, ...) floating, y (examples,) of int64."""

    x: Tensor
    y: Tensor

    def first(self, count: int) -> "Split":
        """The first ``count`` examples, sharing memory."""
        return Split(self.x[:count], self.y[:count])


class EpochOrder:
    """The order of examples as a pure function of (seed, epoch): resuming at any step continues it.

    Lightning calls `set_epoch` at the start of each epoch, as it does for torch's DistributedSampler.
    """

    def __init__(self, num_examples: int, seed: int, shuffle: bool) -> None:
        self.num_examples = num_examples
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, counted from 0."""
        self.epoch = epoch

    def permutation(self) -> Tensor | None:
        """Row numbers (examples,) in this epoch's order; None for the original order."""
        if not self.shuffle:
            return None
        # numpy mixes a pair of seeds; torch's generator would look at 32 bits of one
        return torch.from_numpy(np.random.default_rng((self.seed, self.epoch)).permutation(self.num_examples))


class Minibatches:
    """An iterable of (x, y) minibatches with a length, for Lightning in place of a DataLoader."""

    def __init__(self, split: Split, batch_size: int, order: EpochOrder, drop_last: bool = False) -> None:
        self.split = split
        self.batch_size = batch_size
        self.sampler = order  # the name under which Lightning looks for set_epoch
        self.batch_sampler = None  # Lightning reads it wherever there is a sampler
        self.drop_last = drop_last

    @property
    def num_examples(self) -> int:
        """How many examples one epoch visits."""
        total = len(self.split.x)
        return total - total % self.batch_size if self.drop_last else total

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __iter__(self) -> Iterator[Split]:
        rows = self.sampler.permutation()
        if rows is not None:
            rows = rows.to(self.split.x.device)
        for start in range(0, self.num_examples, self.batch_size):
            stop = min(start + self.batch_size, self.num_examples)
            if rows is None:
                yield Split(self.split.x[start:stop], self.split.y[start:stop])
            else:
                chosen = rows[start:stop]
                yield Split(self.split.x.index_select(0, chosen), self.split.y.index_select(0, chosen))
