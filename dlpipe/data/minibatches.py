"""Minibatches of tensors that stay in memory: slices, or rows of one permutation an epoch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlpipe.data.memmap_batches import stream_minibatches

SplitName = Literal["train", "val", "test"]
VIEWS_AT_ONCE = 64  # of a call each, they would take a good part of an update of a small model


class Split(NamedTuple):
    """Examples and their labels: x (examples, ...) floating, y (examples,) of int64.

    x may be pixels (examples, features) of uint8 on the CPU: minibatches of them are value / 256 in float32.
    """

    x: Tensor
    y: Tensor

    def first(self, count: int) -> "Split":
        """The first ``count`` examples, sharing memory."""
        return Split(self.x[:count], self.y[:count])


class Shard(NamedTuple):
    """One rank's part of what ``world_size`` ranks do together."""

    rank: int
    world_size: int

    def bounds(self, start: int, stop: int) -> tuple[int, int, float]:
        """This rank's rows of a minibatch, and how many they are over the mean over ranks.

        Contiguous, and as many as the others' where that is possible; a rank for which nothing is left gets the first
        row, to count 0 times.
        """
        size = -(-(stop - start) // self.world_size)
        own = start + self.rank * size
        end = min(own + size, stop)
        return (own, end, (end - own) * self.world_size / (stop - start)) if own < end else (start, start + 1, 0.0)


SINGLE_PROCESS = Shard(0, 1)


class EpochSampler:
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


class Minibatches(ABC):
    """An iterable of minibatches with a length, for Lightning in place of a DataLoader.

    Several ranks cut a minibatch of ``batch_size`` each from a common one of ``batch_size * world_size``. A subclass
    says in `batches` what a minibatch of some examples is.
    """

    def __init__(
        self, batch_size: int, order: EpochSampler, drop_last: bool = False, shard: Shard = SINGLE_PROCESS
    ) -> None:
        self.global_batch_size = batch_size * shard.world_size
        self.sampler = order  # the name under which Lightning looks for set_epoch
        self.batch_sampler = None  # Lightning reads it wherever there is a sampler
        self.drop_last = drop_last
        self.shard = shard
        self.skip = 0  # minibatches that the next iteration leaves out, which a run has trained on before it was left

    @abstractmethod
    def batches(self, rows: Tensor | None, spans: Iterator[tuple[int, int]], first: int) -> Iterator[Any]:
        """The minibatches of an epoch, or what is left of it, for this rank.

        Args:
            rows: the examples in the epoch's order; None for the original order.
            spans: of each minibatch, where it begins and ends in this order.
            first: how many minibatches were left out.
        """

    @property
    def num_examples(self) -> int:
        """How many examples one epoch visits, over all ranks."""
        total = self.sampler.num_examples
        return total - total % self.global_batch_size if self.drop_last else total

    def __len__(self) -> int:
        return -(-self.num_examples // self.global_batch_size)

    def __iter__(self) -> Iterator[Any]:
        rows, first, self.skip = self.sampler.permutation(), self.skip, 0
        spans = (self.shard.bounds(*self._common(index))[:2] for index in range(first, len(self)))
        return self.batches(rows, spans, first)

    def loss_weight(self, index: int) -> float:
        """Examples of this rank in minibatch ``index`` over the mean over ranks: what its gradient counts."""
        return self.shard.bounds(*self._common(index))[2]

    def _common(self, index: int) -> tuple[int, int]:
        """Where the minibatch of all ranks begins and ends."""
        start = index * self.global_batch_size
        return start, min(start + self.global_batch_size, self.num_examples)


class TensorMinibatches(Minibatches):
    """Minibatches (x, y) of tensors: views of them, or the rows of a permutation.

    Examples that are not resident, pixels that are bytes or tensors that are not on the device, get there chunk by
    chunk.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        order: EpochSampler,
        drop_last: bool = False,
        shard: Shard = SINGLE_PROCESS,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(batch_size, order, drop_last, shard)
        self.split = split
        self.device = split.x.device if device is None else device

    @property
    def resident(self) -> bool:
        """Whether the examples are on the device as they are trained on."""
        return self.split.x.dtype != torch.uint8 and self.split.x.device == self.device

    def batches(self, rows: Tensor | None, spans: Iterator[tuple[int, int]], first: int) -> Iterator[Split]:
        """Splits of a minibatch each."""
        return self._slices(rows, spans, first) if self.resident else self._converted(rows, spans)

    def _slices(self, rows: Tensor | None, spans: Iterator[tuple[int, int]], first: int) -> Iterator[Split]:
        x, y = self.split
        if rows is None and self.shard is SINGLE_PROCESS:
            step = self.global_batch_size * VIEWS_AT_ONCE
            for start in range(first * self.global_batch_size, self.num_examples, step):
                stop = min(start + step, self.num_examples)
                views = (torch.split(tensor[start:stop], self.global_batch_size) for tensor in (x, y))
                yield from map(Split, *views)
        elif rows is None:
            yield from (Split(x[start:stop], y[start:stop]) for start, stop in spans)
        else:
            rows = rows.to(x.device)
            for start, stop in spans:
                chosen = rows[start:stop]
                yield Split(x.index_select(0, chosen), y.index_select(0, chosen))

    def _converted(self, rows: Tensor | None, spans: Iterator[tuple[int, int]]) -> Iterator[Split]:
        for x, y in stream_minibatches(self.split.x, self.split.y, rows, spans, self.device):
            yield Split(x, y)
