"""Images read from files, in the form of a dataset's examples."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.data.idx_format import read_idx
from dlpipe.data.pixels import flatten_and_scale
from dlpipe.errors import DataError


def read_images(path: Path, image_shape: list[int]) -> Tensor:
    """The images in a file as (images, features) in [0, 1): one from a PNG, all from an idx file.

    Args:
        path: an image that Pillow reads, converted to grey if the dataset is grey; or an idx file, compressed or not.
        image_shape: channels, height, width that the model was trained on.

    Raises:
        DataError: the file does not exist, is in neither format, or holds images of another size.
    """
    if not path.is_file():
        raise DataError(f"no file {path}")
    pixels = read_idx(path) if "idx" in path.name else _read_with_pillow(path, channels=image_shape[0])
    if pixels.shape[1:3] != tuple(image_shape[1:]):
        size = " x ".join(map(str, pixels.shape[1:]))
        raise DataError(f"{path} is {size}; the model was trained on {' x '.join(map(str, image_shape[1:]))}")
    return flatten_and_scale(pixels)


def _read_with_pillow(path: Path, channels: int) -> NDArray[np.uint8]:
    """One image: (1, height, width), or (1, height, width, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L" if channels == 1 else "RGB"))[None]
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{path} is not an image: {error}") from error
