"""Words with their neighbours."""

import torch.nn.functional as F
from torch import Tensor


def context_windows(words: Tensor, size: int, padding: int) -> Tensor:
    """Around each word the ``size`` words that it is the middle of: (examples, steps, size).

    Args:
        words: numbers (examples, steps).
        size: odd; how many.
        padding: number that stands before the first word and after the last.

    Raises:
        ValueError: ``size`` is even or less than 1.

    Source: "Recurrent Neural Networks with Word Embeddings", ``contextwin``.
    """
    check_window(size)
    return F.pad(words, (size // 2, size // 2), value=padding).unfold(1, size, 1)


def check_window(size: int) -> None:
    """Refuse a window without a middle.

    Raises:
        ValueError: ``size`` is even or less than 1.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"window={size}: a window has a word in its middle; take an odd number, such as {size | 1}")
