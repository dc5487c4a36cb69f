"""Minibatches of tensors in memory: slices of them, or the rows of one permutation per epoch."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlpipe.data.memmap_batches import stream_minibatches

SplitName = Literal["train", "val", "test"]
MINIBATCHES_PER_SPLIT = 64  # one torch call for each minibatch would cost a good part of a small model's update


class Split(NamedTuple):
    """Examples and their targets: x and y (examples, ...) of any shape and type.

    Labels are y (examples,) of int64. x may be uint8 pixels on the CPU; its minibatches are value / 256 in float32.
    """

    x: Tensor
    y: Tensor

    @classmethod
    def unlabelled(cls, x: Tensor) -> "Split":
        """Examples without targets: y is (examples, 0)."""
        return cls(x, x.new_empty(len(x), 0, dtype=torch.float32))

    def first(self, count: int) -> "Split":
        """The first ``count`` examples, sharing memory."""
        return Split(self.x[:count], self.y[:count])


class Shard(NamedTuple):
    """Which of ``world_size`` ranks this is, and so which part of a minibatch it trains on."""

    rank: int
    world_size: int

    def bounds(self, start: int, stop: int) -> tuple[int, int, float]:
        """This rank's rows [start, stop) of a minibatch, and the weight of their mean loss in the mean over ranks.

        The rows are contiguous and as many as on the other ranks, if possible. A rank that would have none gets the
        first row with weight 0.
        """
        size = -(-(stop - start) // self.world_size)
        first = start + self.rank * size
        last = min(first + size, stop)
        if first >= last:
            return start, start + 1, 0.0
        return first, last, (last - first) * self.world_size / (stop - start)


SINGLE_PROCESS = Shard(0, 1)


class EpochSampler:
    """The order of the examples, a pure function of (seed, epoch), so that a resumed run continues in the same order.

    Lightning calls `set_epoch` at the start of each epoch, as it does for torch's DistributedSampler.
    """

    def __init__(self, num_examples: int, seed: int, shuffle: bool) -> None:
        self.num_examples = num_examples
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that `permutation` orders, counted from 0."""
        self.epoch = epoch

    def permutation(self) -> Tensor | None:
        """Row numbers (examples,) in this epoch's order; None for the original order."""
        if not self.shuffle:
            return None
        # numpy mixes both seeds; torch's generator takes one and reads 32 bits of it
        return torch.from_numpy(np.random.default_rng((self.seed, self.epoch)).permutation(self.num_examples))


class Minibatches(ABC):
    """An iterable of minibatches with a length, which Lightning takes in place of a DataLoader.

    The global minibatch has ``batch_size * world_size`` examples; each rank trains on its shard of it. A subclass makes
    the minibatches in `batches`.

    Args:
        batch_size: examples in a minibatch of one rank.
        sampler: the order of the examples.
        drop_last: whether to leave out a last global minibatch that is not full.
        shard: which rank this is.
    """

    def __init__(
        self, batch_size: int, sampler: EpochSampler, drop_last: bool = False, shard: Shard = SINGLE_PROCESS
    ) -> None:
        self.global_batch_size = batch_size * shard.world_size
        self.sampler = sampler  # Lightning calls set_epoch of the attribute with this name
        self.batch_sampler = None  # Lightning reads it if there is a sampler
        self.drop_last = drop_last
        self.shard = shard
        self.skip = 0  # minibatches that the next iteration skips, because the run trained on them before it stopped

    @abstractmethod
    def batches(self, rows: Tensor | None, bounds: Iterator[tuple[int, int]], first: int) -> Iterator[Any]:
        """Yield this rank's minibatches of an epoch, or of the rest of it.

        Args:
            rows: row numbers (examples,) in the epoch's order; None for the original order.
            bounds: (start, stop) of each minibatch in that order.
            first: index of the first minibatch, after those that are skipped.
        """

    @property
    def num_examples(self) -> int:
        """Examples in one epoch, summed over all ranks."""
        total = self.sampler.num_examples
        return total - total % self.global_batch_size if self.drop_last else total

    def __len__(self) -> int:
        return -(-self.num_examples // self.global_batch_size)

    def __iter__(self) -> Iterator[Any]:
        rows, first, self.skip = self.sampler.permutation(), self.skip, 0
        bounds = (self.shard.bounds(*self._global_bounds(index))[:2] for index in range(first, len(self)))
        return self.batches(rows, bounds, first)

    def loss_weight(self, index: int) -> float:
        """Weight of this rank's loss in minibatch ``index``: its number of examples over the mean number of a rank."""
        return self.shard.bounds(*self._global_bounds(index))[2]

    def _global_bounds(self, index: int) -> tuple[int, int]:
        """Where the global minibatch ``index`` starts and stops."""
        start = index * self.global_batch_size
        return start, min(start + self.global_batch_size, self.num_examples)


class TensorMinibatches(Minibatches):
    """Minibatches (x, y) of tensors: views of them, or the rows of a permutation.

    uint8 pixels, and tensors that are not on the device, are converted and moved chunk by chunk.

    Args:
        split: x and y (examples, ...).
        batch_size: examples in a minibatch of one rank.
        sampler: the order of the examples.
        drop_last: whether to leave out a last global minibatch that is not full.
        shard: which rank this is.
        device: where the minibatches go; by default where x is.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        sampler: EpochSampler,
        drop_last: bool = False,
        shard: Shard = SINGLE_PROCESS,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(batch_size, sampler, drop_last, shard)
        self.split = split
        self.device = split.x.device if device is None else device

    @property
    def resident(self) -> bool:
        """Whether x is on the device already, in floating point."""
        return self.split.x.dtype != torch.uint8 and self.split.x.device == self.device

    def batches(self, rows: Tensor | None, bounds: Iterator[tuple[int, int]], first: int) -> Iterator[Split]:
        """A `Split` for each minibatch."""
        if self.resident:
            return self._slices(rows, bounds, first)
        return itertools.starmap(Split, stream_minibatches(self.split.x, self.split.y, rows, bounds, self.device))

    def _slices(self, rows: Tensor | None, bounds: Iterator[tuple[int, int]], first: int) -> Iterator[Split]:
        x, y = self.split
        if rows is None and self.shard is SINGLE_PROCESS:
            step = self.global_batch_size * MINIBATCHES_PER_SPLIT
            for start in range(first * self.global_batch_size, self.num_examples, step):
                stop = min(start + step, self.num_examples)
                views = (torch.split(tensor[start:stop], self.global_batch_size) for tensor in (x, y))
                yield from map(Split, *views)
        elif rows is None:
            yield from (Split(x[start:stop], y[start:stop]) for start, stop in bounds)
        else:
            rows = rows.to(x.device)
            for start, stop in bounds:
                chosen = rows[start:stop]
                yield Split(x.index_select(0, chosen), y.index_select(0, chosen))
