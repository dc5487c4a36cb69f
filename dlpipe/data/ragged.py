"""Sequences of different lengths, concatenated in one tensor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths, concatenated along their first dimension.

    Args:
        values: the elements of all sequences, (total length, ...).
        ends: where each sequence ends in ``values``: the cumulative lengths, (sequences,) of int64, on the CPU.
        padding_value: what `padded` writes after the end of a shorter sequence.
    """

    values: Tensor
    ends: Tensor
    padding_value: float = 0

    @classmethod
    def of(cls, sequences: Sequence[Tensor], padding_value: float = 0) -> "Ragged":
        """Concatenate tensors (length, ...) that differ in length alone.

        Raises:
            ValueError: ``sequences`` is empty.
        """
        if not sequences:
            raise ValueError("no sequences")
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        return cls(torch.cat(list(sequences)), lengths.cumsum(0), padding_value)

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def lengths(self) -> Tensor:
        """Length of each sequence: (sequences,) of int64."""
        return self.ends - self.starts

    @cached_property
    def starts(self) -> Tensor:
        """Where each sequence begins in ``values``: (sequences,) of int64."""
        return torch.cat([self.ends.new_zeros(1), self.ends[:-1]])

    def to(self, device: torch.device) -> "Ragged":
        """The same sequences with their values on ``device``."""
        return replace(self, values=self.values.to(device))

    def __getitem__(self, index: int) -> Tensor:
        """Sequence number ``index``: a view (length, ...)."""
        return self.values[int(self.starts[index]) : int(self.ends[index])]

    def take(self, rows: Tensor) -> "Ragged":
        """The sequences numbered ``rows``, in that order; ``rows`` is (sequences,) of int64, on the CPU."""
        lengths = self.lengths[rows]
        ends = lengths.cumsum(0)
        shifts = self.starts[rows] - (ends - lengths)
        indices = torch.arange(int(lengths.sum())) + shifts.repeat_interleave(lengths)
        return replace(self, values=self.values[indices.to(self.values.device)], ends=ends)

    def padded(self, rows: Tensor) -> Tensor:
        """The sequences numbered ``rows`` as one tensor, padded to the longest: (sequences, steps, ...).

        Args:
            rows: (sequences,) of int64, on the CPU.
        """
        if len(rows) == 1:
            return self[int(rows)].unsqueeze(0)
        starts, ends = self.starts[rows], self.ends[rows]
        lengths = ends - starts
        steps = torch.arange(int(lengths.max()))
        within = steps < lengths.unsqueeze(1)
        indices = torch.where(within, starts.unsqueeze(1) + steps, 0).to(self.values.device)
        padding = ~within.to(self.values.device)
        padded = self.values[indices]
        return padded.masked_fill_(padding.view(*padding.shape, *[1] * (padded.dim() - 2)), self.padding_value)
