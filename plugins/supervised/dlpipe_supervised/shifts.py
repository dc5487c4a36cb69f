"""Images shifted by a few pixels, by indexing the columns of flattened examples."""

import torch
from torch import Tensor


def shifted_columns(image_shape: list[int], max_shift: int) -> Tensor | None:
    """For every shift down and right, the columns of x (examples, features) that make the shifted image.

    Pixels that leave on one side come in on the other: meant for images with a margin, such as MNIST's.

    Args:
        image_shape: channels, height, width.
        max_shift: pixels in each direction.

    Returns:
        ((2 * max_shift + 1)^2, features) of int64; None for ``max_shift`` 0.

    Raises:
        ValueError: ``image_shape`` is not channels, height, width.
    """
    if not max_shift:
        return None
    if len(image_shape) != 3:
        raise ValueError(f"max_shift={max_shift}: examples of the shape {image_shape} cannot be moved; set it to 0")
    columns = torch.arange(image_shape[0] * image_shape[1] * image_shape[2]).reshape(image_shape)
    moves = [(down, right) for down in range(-max_shift, max_shift + 1) for right in range(-max_shift, max_shift + 1)]
    return torch.stack([columns.roll(move, (1, 2)).flatten() for move in moves])
