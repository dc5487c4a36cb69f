"""Minibatches of a dataset that does not fit in memory as float32, or not on the GPU, loaded in chunks.

The examples stay in CPU memory or in a memory map, as uint8 pixels or floats. A chunk is as many minibatches as make a
few MiB of float32.
"""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from dlpipe.data.pixel_scaling import scale_pixels

CHUNK_BYTES = 2**22  # of float32: fits the processor's cache, and malloc reuses the memory of the last chunk

Examples = tuple[Tensor, Tensor]  # x and y (examples, ...)
Bounds = tuple[int, int]
Chunk = tuple[list[int], Tensor, Tensor]  # size of each minibatch, x and y of all; x is not scaled yet


def stream_minibatches(
    x: Tensor, y: Tensor, rows: Tensor | None, bounds: Iterator[Bounds], device: torch.device
) -> Iterator[Examples]:
    """Yield minibatches (x, y), bit for bit those of the dataset converted to float as a whole.

    Args:
        x: (examples, ...), on the CPU.
        y: (examples, ...), on the CPU.
        rows: row numbers (examples,) in the epoch's order; None for the original order.
        bounds: (start, stop) of each minibatch in that order.
        device: where the minibatches go; a GPU receives the next chunk while it trains on the current one.
    """
    chunks = (_load(x, y, rows, chunk, device) for chunk in _chunks(bounds, 4 * x[:1].numel()))
    for sizes, pixels, labels in _prefetch(chunks) if device.type == "cuda" else chunks:
        yield from zip(torch.split(scale_pixels(pixels), sizes), torch.split(labels, sizes), strict=True)


def _chunks(bounds: Iterator[Bounds], example_bytes: int) -> Iterator[list[Bounds]]:
    for start, stop in bounds:
        more = CHUNK_BYTES // (example_bytes * (stop - start)) - 1
        yield [(start, stop), *islice(bounds, max(0, more))]


def _load(x: Tensor, y: Tensor, rows: Tensor | None, bounds: list[Bounds], device: torch.device) -> Chunk:
    sizes = [stop - start for start, stop in bounds]
    first, last = bounds[0][0], bounds[-1][1]
    if rows is None and sum(sizes) == last - first:
        x, y = x[first:last], y[first:last]
    else:  # shuffled, or one rank's shards of several minibatches
        chosen = [torch.arange(start, stop) if rows is None else rows[start:stop] for start, stop in bounds]
        x, y = _gather(x, y, torch.cat(chosen))
    if device.type == "cuda":
        x, y = (tensor.pin_memory().to(device, non_blocking=True) for tensor in (x, y))
    return sizes, x.to(device), y.to(device)


def _gather(x: Tensor, y: Tensor, rows: Tensor) -> Examples:
    """The examples numbered ``rows``: x is read in ascending order, which disks are fast at, then put into order."""
    ascending, positions = rows.sort()
    return x.index_select(0, ascending).index_select(0, positions.argsort()), y.index_select(0, rows)


def _prefetch(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield each chunk after the copy of the next one has started."""
    current = next(chunks, None)
    while current is not None:
        following = next(chunks, None)
        yield current
        current = following
