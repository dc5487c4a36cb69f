"""The process group of a run that trains as one process."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def no_process_group_left() -> Iterator[None]:
    """Destroy the process group that ``trainer=ddp trainer.devices=1`` made: a notebook or a sweep trains on."""
    is_callers = _has_process_group()
    try:
        yield
    finally:
        if _has_process_group() and not is_callers:
            torch.distributed.destroy_process_group()


def _has_process_group() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
