"""The exported model beside the original: the same predictions for the test batches."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dlpipe import DlpipeError

# |exported - original| <= ATOL + RTOL |original|: the rounding of float32 over a few hundred operations
RTOL, ATOL = 1e-4, 1e-6


def largest_difference(
    exported: Callable[[list[Tensor]], Sequence[Tensor]],
    original: Callable[[list[Tensor]], Sequence[Tensor]],
    batches: Sequence[list[Tensor]],
    names: Sequence[str],
) -> float:
    """The largest absolute difference of two models' outputs.

    Args:
        exported: outputs of a batch's tensors.
        original: the same of the model.
        batches: their inputs.
        names: of the outputs.

    Raises:
        DlpipeError: they disagree; it has the number of differing values and the largest difference.
    """
    largest = 0.0
    for batch in batches:
        for name, ours, theirs in zip(names, original(batch), exported(batch), strict=True):
            largest = max(largest, _difference(name, ours.detach(), theirs.detach()))
    return largest


def _difference(name: str, original: Tensor, exported: Tensor) -> float:
    if original.shape != exported.shape:
        shapes = f"{tuple(exported.shape)}, the model {tuple(original.shape)}"
        raise DlpipeError(f"the exported model gives a {name} of the shape {shapes}; nothing was written")
    a, b = original.double(), exported.double()
    close = torch.isclose(b, a, rtol=RTOL, atol=ATOL, equal_nan=True)
    difference = float((a - b).abs().nan_to_num().max()) if a.numel() else 0.0
    if not close.all():
        wrong = int((~close).sum())
        raise DlpipeError(
            f"the exported model disagrees with the original: {wrong} of {close.numel()} values of {name} differ, by "
            f"up to {difference:.2g}; allowed are {ATOL:g} + {RTOL:g} of the value. Nothing was written"
        )
    return difference
