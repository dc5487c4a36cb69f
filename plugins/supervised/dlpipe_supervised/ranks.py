"""What several ranks have in common."""

import torch.distributed as dist
from torch import Tensor


def mean_over_ranks(value: Tensor) -> Tensor:
    """The mean of what each rank has, on all of them; of a process alone the value itself.

    For what a module adds up in a buffer: before each step DDP gives all ranks the buffers of rank 0, so that of what
    the others had added nothing would be left.
    """
    if not dist.is_initialized():
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
