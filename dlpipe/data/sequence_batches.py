"""Padded minibatches of sequences, bucketed by length so that little of a minibatch is padding."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.data.minibatches import SINGLE_PROCESS, EpochSampler, Minibatches, Shard
from dlpipe.data.ragged import Ragged


class SequenceSplit(NamedTuple):
    """Sequences x and labels y: a `Ragged` with a label for each time step, or (sequences, ...) with one a sequence."""

    x: Ragged
    y: Ragged | Tensor

    def to(self, device: torch.device) -> "SequenceSplit":
        """This split with its values on ``device``."""
        return SequenceSplit(self.x.to(device), self.y.to(device))


class SequenceBatch(NamedTuple):
    """A minibatch: x (examples, steps, ...), padded; y (examples, steps, ...) or (examples, ...); lengths (examples,).

    Lengths are on the device of x.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor


def length_mask(lengths: Tensor, num_steps: int) -> Tensor:
    """(examples, num_steps) of bool: True within a sequence, False at its padding."""
    return torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)


class BucketedSampler(EpochSampler):
    """Orders sequences so that those of one minibatch have similar lengths.

    With shuffling: the epoch's permutation is cut into buckets of ``bucket`` minibatches, each bucket is sorted by
    length, and the full minibatches are shuffled. Without: all sequences are sorted by length. The order is a function
    of (seed, epoch).

    Args:
        lengths: length of each sequence, (sequences,).
        seed: seed of the order.
        shuffle: whether each epoch has its own order.
        batch_size: sequences in a minibatch, summed over all ranks.
        bucket: minibatches in a bucket; 1 for a plain permutation.
    """

    def __init__(self, lengths: Tensor, seed: int, shuffle: bool, batch_size: int, bucket: int) -> None:
        super().__init__(len(lengths), seed, shuffle)
        self.lengths = lengths.numpy()
        self.batch_size = batch_size
        self.bucket = bucket

    def permutation(self) -> Tensor:
        """Row numbers (examples,) in this epoch's order."""
        permuted = super().permutation()
        if permuted is None:
            return torch.from_numpy(np.argsort(self.lengths, kind="stable"))
        if self.bucket == 1 or self.batch_size == 1:
            return permuted
        num_full = self.num_examples - self.num_examples % self.batch_size
        rows, last = permuted.numpy()[:num_full], permuted.numpy()[num_full:]  # the last minibatch is not full
        size = self.batch_size * self.bucket
        buckets = [self._sorted_by_length(rows[start : start + size]) for start in range(0, num_full, size)]
        minibatches = np.concatenate([rows[:0], *buckets]).reshape(-1, self.batch_size)
        rng = np.random.default_rng((self.seed, self.epoch, 1))  # independent of the permutation's
        return torch.from_numpy(np.concatenate([rng.permutation(minibatches).reshape(-1), last]))

    def _sorted_by_length(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows[np.argsort(self.lengths[rows], kind="stable")]


class SequenceMinibatches(Minibatches):
    """Minibatches (x, y, lengths) of sequences in memory, each padded to its longest sequence."""

    def __init__(
        self,
        split: SequenceSplit,
        batch_size: int,
        sampler: EpochSampler,
        drop_last: bool = False,
        shard: Shard = SINGLE_PROCESS,
    ) -> None:
        super().__init__(batch_size, sampler, drop_last, shard)
        self.split = split
        self.lengths = split.x.lengths.to(split.x.values.device)

    def batches(self, rows: Tensor | None, bounds: Iterator[tuple[int, int]], first: int) -> Iterator[SequenceBatch]:
        """A `SequenceBatch` for each (start, stop)."""
        x, y = self.split
        for start, stop in bounds:
            chosen = torch.arange(start, stop) if rows is None else rows[start:stop]
            labels = y.padded(chosen) if isinstance(y, Ragged) else y[chosen.to(y.device)]
            yield SequenceBatch(x.padded(chosen), labels, self.lengths[chosen.to(self.lengths.device)])
