"""Images moved by a few pixels, as columns of a table of examples."""

import torch
from torch import Tensor


def shifted_columns(image_shape: list[int], most: int) -> Tensor | None:
    """Which columns of x (examples, features) make the image moved by so much down and right.

    What leaves on one side comes in on the other: meant for images with a margin, such as MNIST's.

    Args:
        image_shape: channels, height, width.
        most: pixels in each direction.

    Returns:
        ((2 most + 1)^2, features) of int64; None for ``most`` 0.

    Raises:
        ValueError: it is no image of a height and a width.
    """
    if not most:
        return None
    if len(image_shape) != 3:
        raise ValueError(f"max_shift={most}: examples of the shape {image_shape} cannot be moved; set it to 0")
    columns = torch.arange(image_shape[0] * image_shape[1] * image_shape[2]).reshape(image_shape)
    moves = [(down, right) for down in range(-most, most + 1) for right in range(-most, most + 1)]
    return torch.stack([columns.roll(move, (1, 2)).flatten() for move in moves])
