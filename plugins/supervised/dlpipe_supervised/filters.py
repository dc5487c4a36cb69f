"""Pictures of the filters of a first layer."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.figures import tile_raster_images


def filter_figures(weight: Tensor, image_shape: list[int] | None, columns: int = 10) -> dict[str, NDArray[np.uint8]]:
    """First-layer filters as the tutorials tile them, at most 100.

    Empty if the filters are not images of one channel.

    Args:
        weight: (filters, height * width), or (filters, 1, height, width) of a convolution.
        image_shape: channels, height, width of the input of a dense layer; None if it is no image.
        columns: filters in a row.
    """
    shape = list(weight.shape[1:]) if weight.ndim == 4 else image_shape
    rows = weight.detach().cpu().float().flatten(1).numpy()
    if shape is None or len(shape) != 3 or rows.shape[1] != math.prod(shape[1:]):
        return {}
    _, height, width = shape
    shown = min(len(rows), 100)
    columns = min(columns, shown)
    sheet = tile_raster_images(rows[:shown], (height, width), (-(-shown // columns), columns), (1, 1))
    return {"filters": sheet}
