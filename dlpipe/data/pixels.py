"""Pixels as bytes, and as the numbers that a model is trained on: value / 256, exactly."""

import math
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 2**20  # pixels converted at a time, so that they stay in the processor's cache


def as_bytes(images: NDArray[np.uint8]) -> Tensor:
    """Images (images, height, width, ...) as uint8 (images, features), sharing memory: not to be written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(images.reshape(len(images), math.prod(images.shape[1:])))


def floating(pixels: Tensor) -> Tensor:
    """Bytes of any shape as float32, value / 256; what is floating already as it is."""
    return pixels if pixels.is_floating_point() else pixels.to(torch.float32).div_(256)


def to_examples(images: NDArray[np.uint8]) -> Tensor:
    """Bytes (images, height, width, ...) as float32 (images, features), value / 256 as in the tutorials."""
    pixels = as_bytes(images)
    x = torch.empty(pixels.shape, dtype=torch.float32)
    rows = max(1, BLOCK // max(1, pixels.shape[1]))
    for start in range(0, len(x), rows):
        x[start : start + rows].copy_(pixels[start : start + rows]).div_(256)
    return x
