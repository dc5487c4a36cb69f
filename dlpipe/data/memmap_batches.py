"""Minibatches of examples that are not resident: pixels that stay bytes in a memory map, converted chunk by chunk.

For datasets whose float32 tensors do not fit in memory, or not on the GPU. A chunk is as many minibatches as
make up a few MiB.
"""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from dlpipe.data.pixels import floating

CHUNK_BYTES = 2**22  # of float32: fits the processor's cache, and malloc gives the last chunk's memory again


Examples = tuple[Tensor, Tensor]  # x (examples, features), y (examples,)
Span = tuple[int, int]
Chunk = tuple[list[int], Tensor, Tensor]  # examples in each minibatch, and those of all, pixels as bytes


def stream_minibatches(
    x: Tensor, y: Tensor, rows: Tensor | None, spans: Iterator[Span], device: torch.device
) -> Iterator[Examples]:
    """The minibatches that the same examples, converted whole, would give: x of float32, y.

    Args:
        x: (examples, ...) of uint8, or floating, on the CPU.
        y: (examples,), on the CPU.
        rows: (examples,) the epoch's order; None for the original one.
        spans: where each minibatch begins and ends in that order.
        device: where the minibatches go; to a GPU the next chunk is on its way while one is trained on.
    """
    chunks = (_load(x, y, rows, chunk, device) for chunk in _chunks(spans, 4 * x[:1].numel()))
    for sizes, pixels, labels in _one_ahead(chunks) if device.type == "cuda" else chunks:
        yield from zip(torch.split(floating(pixels), sizes), torch.split(labels, sizes), strict=True)


def _chunks(spans: Iterator[Span], example_bytes: int) -> Iterator[list[Span]]:
    for start, stop in spans:
        more = CHUNK_BYTES // (example_bytes * (stop - start)) - 1
        yield [(start, stop), *islice(spans, max(0, more))]


def _load(x: Tensor, y: Tensor, rows: Tensor | None, spans: list[Span], device: torch.device) -> Chunk:
    sizes = [stop - start for start, stop in spans]
    first, last = spans[0][0], spans[-1][1]
    if rows is None and sum(sizes) == last - first:
        x, y = x[first:last], y[first:last]
    else:  # shuffled, or a rank's parts of several minibatches
        chosen = [torch.arange(*span) if rows is None else rows[slice(*span)] for span in spans]
        x, y = _gather(x, y, torch.cat(chosen))
    if device.type == "cuda":
        x, y = (tensor.pin_memory().to(device, non_blocking=True) for tensor in (x, y))
    return sizes, x.to(device), y.to(device)


def _gather(x: Tensor, y: Tensor, chosen: Tensor) -> Examples:
    """Some rows, read from the map in ascending order, as a disk likes it, and then put into theirs."""
    ascending, place = chosen.sort()
    return x.index_select(0, ascending).index_select(0, place.argsort()), y.index_select(0, chosen)


def _one_ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Each chunk, when the copy of the next has begun."""
    current = next(chunks, None)
    while current is not None:
        following = next(chunks, None)
        yield current
        current = following
