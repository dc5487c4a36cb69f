"""Pictures from files, in the form a dataset's examples have."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.data.idx_format import read_idx
from dlpipe.data.pixels import to_examples
from dlpipe.errors import DataError


def read_images(path: Path, image_shape: list[int]) -> Tensor:
    """The pictures in a file as (pictures, features) in [0, 1): one of a PNG, all of an idx file.

    Args:
        path: a picture that Pillow reads, made grey where the dataset is; or an idx file, compressed or not.
        image_shape: channels, height, width that the model was trained on.

    Raises:
        DataError: there is no such file, it is neither, or its pictures have another size.
    """
    if not path.is_file():
        raise DataError(f"no file {path}")
    pixels = read_idx(path) if "idx" in path.name else _read_picture(path, channels=image_shape[0])
    if pixels.shape[1:3] != tuple(image_shape[1:]):
        size = " x ".join(map(str, pixels.shape[1:]))
        raise DataError(f"{path} is {size}; the model was trained on {' x '.join(map(str, image_shape[1:]))}")
    return to_examples(pixels)


def _read_picture(path: Path, channels: int) -> NDArray[np.uint8]:
    """One picture: (1, height, width), or (1, height, width, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L" if channels == 1 else "RGB"))[None]
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{path} is not a picture: {error}") from error
