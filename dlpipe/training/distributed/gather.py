"""What differs from rank to rank, brought together: a checkpoint is written by rank 0 alone."""

from typing import Any

import torch.distributed as dist


def gather_from_ranks(own: Any) -> list[Any]:
    """What each rank has, in their order; to be called by all of them."""
    if not dist.is_initialized():
        return [own]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, own)
    return found


def current_rank() -> int:
    """Of this process among those; 0 where it is alone."""
    return int(dist.get_rank()) if dist.is_initialized() else 0
