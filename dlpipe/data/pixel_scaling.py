"""Images as flat examples: uint8 pixels, and float32 pixels scaled by 1/256, which is exact in float32."""

import math
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 2**20  # pixels scaled at a time, so that they stay in the processor's cache


def flatten_images(images: NDArray[np.uint8]) -> Tensor:
    """Images (examples, height, width, ...) as uint8 (examples, features); shares memory, do not write to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(images.reshape(len(images), math.prod(images.shape[1:])))


def scale_pixels(pixels: Tensor) -> Tensor:
    """uint8 pixels of any shape as float32, value / 256; a tensor of another type is returned unchanged."""
    return pixels if pixels.dtype != torch.uint8 else pixels.to(torch.float32).div_(256)


def flatten_and_scale(images: NDArray[np.uint8]) -> Tensor:
    """Images (examples, height, width, ...) as float32 (examples, features), value / 256 as in the tutorials."""
    pixels = flatten_images(images)
    x = torch.empty(pixels.shape, dtype=torch.float32)
    rows = max(1, BLOCK // max(1, pixels.shape[1]))
    for start in range(0, len(x), rows):
        x[start : start + rows].copy_(pixels[start : start + rows]).div_(256)
    return x
