"""Figures and files of samples: Gibbs chains that start at test images."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.figures import tile_raster_images
from dlpipe_boltzmann.energy import Parameters
from dlpipe_boltzmann.sampling import sample_stack

CHAINS, ROWS = 20, 10  # of the tutorial's figure


def sample_figures(
    machines: Sequence[Parameters], data: pl.LightningDataModule, image_shape: list[int], num_steps: int
) -> dict[str, NDArray[np.uint8]]:
    """One column per chain, one row every ``num_steps`` Gibbs steps; empty if the examples are not grey images.

    For 28 x 28 pixels it has the tutorial's 291 x 579, two black lines at the bottom included.
    """
    start = consecutive_test_examples(data, CHAINS).to(machines[0].W.device)
    if not _is_grey(start, image_shape):
        return {}
    means = sample_stack(machines, start, ROWS, num_steps)
    return {"samples": np.pad(_tiled(means.flatten(0, 1), image_shape), ((0, 2), (0, 0)))}


def sample_files(
    machines: Sequence[Parameters], data: pl.LightningDataModule, image_shape: list[int], num_steps: int, count: int
) -> dict[str, NDArray[Any]]:
    """``samples.npy``, (count, num_visible): means after ``num_steps`` steps of a chain each; and ``samples.png``."""
    start = consecutive_test_examples(data, count).to(machines[0].W.device)
    (means,) = sample_stack(machines, start, 1, num_steps)
    picture = {"samples.png": _tiled(means, image_shape)} if _is_grey(means, image_shape) else {}
    return {"samples.npy": means.numpy(force=True), **picture}


def consecutive_test_examples(data: pl.LightningDataModule, count: int) -> Tensor:
    """(count, features) consecutive test examples from a random one on, wrapping around."""
    x = torch.cat([x for x, _ in data.test_dataloader()])
    first = torch.randint(len(x), (1,), device=x.device)
    return x[(first + torch.arange(count, device=x.device)) % len(x)]


def _is_grey(x: Tensor, image_shape: list[int]) -> bool:
    return len(image_shape) == 3 and image_shape[0] == 1 and math.prod(image_shape) == x.shape[1]


def _tiled(x: Tensor, image_shape: list[int]) -> NDArray[np.uint8]:
    """Rows of `CHAINS` images, separated by black lines."""
    _, height, width = image_shape
    columns = min(CHAINS, len(x))
    return tile_raster_images(x.numpy(force=True), (height, width), (-(-len(x) // columns), columns), (1, 1))
