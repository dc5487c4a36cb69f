"""Minibatches of sequences of about one length, so that little of them is padding."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dlpipe.data.minibatches import SINGLE_PROCESS, EpochSampler, Minibatches, Shard
from dlpipe.data.ragged import Ragged, SequenceBatch, SequenceSplit


class BucketedSampler(EpochSampler):
    """An order in which minibatches, one after the other, hold sequences of like lengths.

    The epoch's permutation is cut into buckets of ``bucket`` minibatches; within each the sequences are sorted by
    length; then the minibatches are shuffled, but for a last one that is not full. Without shuffling all sequences are
    sorted. A function of (seed, epoch).

    Args:
        lengths: of the sequences.
        seed: of the order.
        shuffle: whether each epoch has an order of its own.
        batch_size: sequences in a minibatch of all ranks together.
        bucket: minibatches in a bucket; 1 sorts nothing that is shuffled.
    """

    def __init__(self, lengths: Tensor, seed: int, shuffle: bool, batch_size: int, bucket: int) -> None:
        super().__init__(len(lengths), seed, shuffle)
        self.lengths = lengths.numpy()
        self.batch_size = batch_size
        self.bucket = bucket

    def permutation(self) -> Tensor:
        """Row numbers (examples,) in this epoch's order."""
        rows = super().permutation()
        if rows is None:
            return torch.from_numpy(np.argsort(self.lengths, kind="stable"))
        if self.bucket == 1 or self.batch_size == 1:
            return rows
        whole = self.num_examples - self.num_examples % self.batch_size
        drawn, rest = rows.numpy()[:whole], rows.numpy()[whole:]  # the rest, in no minibatch that is full, is as drawn
        size = self.batch_size * self.bucket
        parts = [drawn[start : start + size] for start in range(0, whole, size)]
        order = [part[np.argsort(self.lengths[part], kind="stable")] for part in parts]
        minibatches = np.concatenate([drawn[:0], *order]).reshape(-1, self.batch_size)
        draw = np.random.default_rng((self.seed, self.epoch, 1))  # not the one that the rows are permuted with
        return torch.from_numpy(np.concatenate([draw.permutation(minibatches).reshape(-1), rest]))


class SequenceMinibatches(Minibatches):
    """Minibatches (x, y, lengths) of sequences that are in memory, padded to the longest of each."""

    def __init__(
        self,
        split: SequenceSplit,
        batch_size: int,
        order: EpochSampler,
        drop_last: bool = False,
        shard: Shard = SINGLE_PROCESS,
    ) -> None:
        super().__init__(batch_size, order, drop_last, shard)
        self.split = split
        self.lengths = split.x.lengths.to(split.x.values.device)

    def batches(self, rows: Tensor | None, spans: Iterator[tuple[int, int]], first: int) -> Iterator[SequenceBatch]:
        """A `SequenceBatch` for each span."""
        x, y = self.split
        for start, stop in spans:
            chosen = torch.arange(start, stop) if rows is None else rows[start:stop]
            labels = y.padded(chosen) if isinstance(y, Ragged) else y[chosen.to(y.device)]
            yield SequenceBatch(x.padded(chosen), labels, self.lengths[chosen.to(self.lengths.device)])
