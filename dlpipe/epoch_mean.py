"""The mean of a value over the minibatches of an epoch."""

import torch
import torch.distributed as dist
from torch import Tensor, nn


class EpochMean(nn.Module):
    """The mean of a value over an epoch's minibatches and over all ranks, summed up in the training step.

    `torchmetrics.MeanMetric` with buffers alone for a state: a training step that updates it can still be fused, as one
    that changes attributes cannot, and a checkpoint's ``state_dict`` has it.

    Args:
        size: the value's shape, as `torch.zeros` takes it; none for a scalar.
        dtype: the sum's; None for torch's default.
    """

    sum: Tensor
    count: Tensor

    def __init__(self, *size: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.register_buffer("sum", torch.zeros(size, dtype=dtype))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, value: Tensor) -> None:
        """Add a minibatch's value."""
        self.sum.add_(_mean_over_ranks(value))
        self.count.add_(1)

    def compute(self) -> Tensor:
        """The mean so far; nan before the first update."""
        return self.sum / self.count

    def reset(self) -> None:
        """Start a new epoch."""
        self.sum.zero_()
        self.count.zero_()


def _mean_over_ranks(value: Tensor) -> Tensor:
    """Averaged at every update: before the next step DDP overwrites the buffers of all ranks with those of rank 0."""
    if not dist.is_initialized():
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
