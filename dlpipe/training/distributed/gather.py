"""Gather what differs between ranks: rank 0 alone writes a checkpoint."""

from typing import Any

import torch.distributed as dist


def gather_from_ranks(own: Any) -> list[Any]:
    """The objects of all ranks, in the order of ranks; all of them have to call it."""
    if not dist.is_initialized():
        return [own]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, own)
    return found
