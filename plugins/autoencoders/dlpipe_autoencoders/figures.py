"""Pictures of reconstructed images."""

import math

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.figures import tile_raster_images


def reconstruction_figures(rows: list[Tensor], image_shape: list[int]) -> dict[str, NDArray[np.uint8]]:
    """Images above their reconstructions, one column per image.

    Empty if the rows are not images of one channel.

    Args:
        rows: for example images, corrupted images and reconstructions; each (images, height * width).
        image_shape: channels, height, width.
    """
    if len(image_shape) != 3 or math.prod(image_shape[1:]) != rows[0].shape[1]:
        return {}
    _, height, width = image_shape
    sheet = torch.cat([row.detach().cpu() for row in rows]).float().numpy()
    return {"reconstructions": tile_raster_images(sheet, (height, width), (len(rows), len(rows[0])), (1, 1))}


def first_test_images(data: pl.LightningDataModule, count: int = 10) -> Tensor:
    """x (count, features) of the first test examples."""
    x: Tensor = next(iter(data.test_dataloader()))[0]
    return x[:count]
