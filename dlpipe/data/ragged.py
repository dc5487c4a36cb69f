"""Sequences of different lengths, end to end in one tensor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """Sequences, the entries of each after those of the one before.

    Args:
        values: (entries of all sequences, ...).
        ends: (sequences,) of int64, on the CPU: how many entries there are up to the end of each.
        fill: what stands beyond the end of a sequence that is padded.
    """

    values: Tensor
    ends: Tensor
    fill: float = 0

    @classmethod
    def of(cls, sequences: Sequence[Tensor], fill: float = 0) -> "Ragged":
        """From tensors (entries, ...) of one kind.

        Raises:
            ValueError: there is none.
        """
        if not sequences:
            raise ValueError("no sequences")
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        return cls(torch.cat(list(sequences)), lengths.cumsum(0), fill)

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def lengths(self) -> Tensor:
        """Entries of each sequence: (sequences,) of int64."""
        return self.ends - self.starts

    @cached_property
    def starts(self) -> Tensor:
        """Where each sequence begins in `values`: (sequences,) of int64."""
        return torch.cat([self.ends.new_zeros(1), self.ends[:-1]])

    def to(self, device: torch.device) -> "Ragged":
        """The same with the values on a device."""
        return replace(self, values=self.values.to(device))

    def __getitem__(self, index: int) -> Tensor:
        """Sequence number ``index``, a view (entries, ...)."""
        return self.values[int(self.starts[index]) : int(self.ends[index])]

    def take(self, rows: Tensor) -> "Ragged":
        """The sequences with the numbers ``rows`` (sequences,), on the CPU, in this order."""
        lengths = self.lengths[rows]
        ends = lengths.cumsum(0)
        shifts = self.starts[rows] - (ends - lengths)
        entries = torch.arange(int(lengths.sum())) + shifts.repeat_interleave(lengths)
        return replace(self, values=self.values[entries.to(self.values.device)], ends=ends)

    def padded(self, rows: Tensor) -> Tensor:
        """Sequences side by side: (sequences, entries of the longest, ...).

        Args:
            rows: (sequences,) of int64, on the CPU; which ones.
        """
        if len(rows) == 1:
            return self[int(rows)].unsqueeze(0)
        starts, ends = self.starts[rows], self.ends[rows]
        lengths = ends - starts
        steps = torch.arange(int(lengths.max()))
        there = steps < lengths.unsqueeze(1)
        taken = torch.where(there, starts.unsqueeze(1) + steps, 0).to(self.values.device)
        beyond = ~there.to(self.values.device)
        padded = self.values[taken]
        return padded.masked_fill_(beyond.view(*beyond.shape, *[1] * (padded.dim() - 2)), self.fill)


class SequenceSplit(NamedTuple):
    """Sequences and what is to be told of each entry (y is a `Ragged`), or of each sequence (y: (sequences, ...))."""

    x: Ragged
    y: Ragged | Tensor

    def to(self, device: torch.device) -> "SequenceSplit":
        """The same on a device."""
        return SequenceSplit(self.x.to(device), self.y.to(device))


class SequenceBatch(NamedTuple):
    """A minibatch: x (examples, steps, ...), padded; y (examples, steps, ...) or (examples, ...); lengths (examples,).

    Lengths are on the device of x.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor


def mask_of(lengths: Tensor, steps: int) -> Tensor:
    """Which of the steps are in a sequence and not beyond its end: (examples, steps) of bool."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)
