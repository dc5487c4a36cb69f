"""Context windows of words."""

import torch.nn.functional as F
from torch import Tensor


def context_windows(words: Tensor, size: int, padding: int) -> Tensor:
    """The ``size`` words around each word, itself in the middle: (examples, steps, size).

    Args:
        words: numbers (examples, steps).
        size: odd.
        padding: number used before the first word and after the last.

    Raises:
        ValueError: ``size`` is even or less than 1.

    Source: "Recurrent Neural Networks with Word Embeddings", ``contextwin``.
    """
    check_window(size)
    return F.pad(words, (size // 2, size // 2), value=padding).unfold(1, size, 1)


def check_window(size: int) -> None:
    """Check that a window has a middle.

    Raises:
        ValueError: ``size`` is even or less than 1.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"window={size}: a window has a word in its middle; take an odd number, such as {size | 1}")
