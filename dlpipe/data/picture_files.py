"""Images read from files, in the form of a dataset's examples."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.data.content import READ_ERRORS, open_content
from dlpipe.data.idx_format import read_idx
from dlpipe.data.pixel_scaling import flatten_and_scale
from dlpipe.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)
ORIENTATION = 0x0112  # the EXIF tag
LEAST_16_BIT = 4096  # a largest value between 255 and this may be of 10 or 12 bits, or of a dark picture


def read_images(
    path: Path, image_shape: list[int], has_dark_ground: Callable[[], bool | None] = lambda: None
) -> Tensor:
    """The images in a file as (images, features) in [0, 1): one from a picture, all from an idx file.

    A picture is brought to the dataset's form, and a log line says how: turned by its EXIF orientation, 16 bits and
    floats to 8 bits, put on a ground that contrasts with its ink if it is transparent, inverted if its ground is light
    and the dataset's is dark.

    Args:
        path: a picture that Pillow reads, or an idx file, compressed or not.
        image_shape: channels, height, width that the model was trained on.
        has_dark_ground: whether the dataset's images are light on dark, None if unknown; called for a light ground.

    Raises:
        DataError: the file does not exist, is in neither format, or holds images of another size, several frames or
            values in an unknown range.
    """
    if not path.is_file():
        raise DataError(f"no file {path}")
    if "idx" in path.name or _begins_as_idx(path):
        pixels = read_idx(path)
        if pixels.shape[1:3] != tuple(image_shape[1:]):
            raise _wrong_size(path, pixels.shape[1:], image_shape)
        return flatten_and_scale(pixels)
    pixels, changes = _read_picture(path, image_shape)
    if image_shape[0] == 1 and has_light_ground(pixels):
        dark = has_dark_ground()
        if dark:
            pixels, changes = 255 - pixels, [*changes, "inverted, since its ground is light and the dataset's dark"]
        elif dark is None:
            log.warning("%s has a light ground; invert it if the model was trained on light images on a dark one", path)
    if changes:
        log.info("%s was converted: %s", path, "; ".join(changes))
    return flatten_and_scale(pixels)


def read_picture(path: Path, image_shape: list[int]) -> tuple[NDArray[np.uint8], list[str]]:
    """A picture of any size and mode as (height, width), or (height, width, 3) of three channels, and what was changed.

    Converted as by `read_images`, but not inverted; a picture of another size is stretched to that of ``image_shape``.

    Raises:
        DataError: the file is no picture, is damaged, has several frames or values in an unknown range.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: it has 0 bytes")
    pixels, changes = _read_picture(path, image_shape, resize=True)
    return pixels[0], changes


def picture_shape(path: Path) -> list[int]:
    """Channels (1 or 3), height, width of a picture, by its header; raises as `read_picture`."""
    from PIL import Image

    with _picture_errors(path, None), open_content(path) as file, Image.open(file) as image:
        size = image.size[::-1] if image.getexif().get(ORIENTATION, 1) < 5 else image.size
        return [1 if image.mode[0] in "1LIF" and image.mode != "LAB" else 3, *size]


def has_light_ground(images: NDArray[Any]) -> bool:
    """Whether the outermost pixels are light on average.

    Args:
        images: (images, height, width) in [0, 255].
    """
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    return bool(edges.mean() > 127)


def _begins_as_idx(path: Path) -> bool:
    try:
        with open_content(path) as file:
            return file.read(3) == b"\0\0\x08"
    except READ_ERRORS as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _read_picture(path: Path, image_shape: list[int], resize: bool = False) -> tuple[NDArray[np.uint8], list[str]]:
    """One image (1, height, width) or (1, height, width, 3), and how it was converted."""
    from PIL import Image, ImageOps

    channels, *size = image_shape
    with _picture_errors(path, size), open_content(path) as file, Image.open(file) as image:
        if resize:
            image.draft(None, (2 * max(size), 2 * max(size)))  # a JPEG is decoded at a half, a quarter or an eighth
        elif sorted(image.size) != sorted(size):  # before anything is decoded
            raise _wrong_size(path, image.size[::-1], image_shape)
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise DataError(f"{path} has {frames} frames; save the one that is meant as a picture of its own")
        changes = ["turned by its EXIF orientation"] if image.getexif().get(ORIENTATION, 1) != 1 else []
        pixels = _pixels(path, ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB", changes)
    if list(pixels.shape[:2]) == size:
        return pixels[None], changes
    if not resize:
        raise _wrong_size(path, pixels.shape[:2], image_shape)
    stretched = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(stretched)[None], [*changes, f"resized to {_format(size)}"]


@contextlib.contextmanager
def _picture_errors(path: Path, size: list[int] | None) -> Iterator[None]:
    """Raise what Pillow raises for a damaged file, which may be anything, as a DataError."""
    from PIL import Image, UnidentifiedImageError

    trained = f" The model was trained on {_format(size)}" if size else ""
    try:
        with warnings.catch_warnings():
            # of what it reads all the same; a large picture is refused by its size, or by Pillow's second limit
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large: {error}{trained}") from error
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image that can be read: it has no format that Pillow knows") from error
    except Exception as error:
        raise DataError(f"{path} is not an image that can be read: {error}") from error


def _pixels(path: Path, image: "Image.Image", mode: str, changes: list[str]) -> NDArray[np.uint8]:
    """(height, width) or (height, width, 3); notes in ``changes`` what is converted."""
    alpha = None
    if image.mode[0] in "IF":
        values = np.asarray(image)
        pixels = _eight_bits(path, values)
        if "transparency" in image.info:
            alpha = np.where(values == image.info["transparency"], 0, 255)
        pixels = pixels if mode == "L" else np.stack([pixels] * 3, axis=-1)
    elif image.has_transparency_data:
        rgba = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        pixels, alpha = np.asarray(rgba.convert(mode)), np.asarray(rgba)[..., 3]
    else:
        pixels = np.asarray(image.convert(mode))
    if image.mode not in ("1", mode):
        changes.append(f"mode {image.mode} to {mode}")
    if alpha is None or (alpha == 255).all():
        return pixels
    if not alpha.any():
        raise DataError(f"{path} is wholly transparent")
    return _on_ground(pixels, alpha, changes)


def _on_ground(pixels: NDArray[np.uint8], alpha: NDArray[Any], changes: list[str]) -> NDArray[np.uint8]:
    """A transparent image on the colour of its invisible pixels or, if the ink has that colour too, on the opposite."""
    alpha = alpha if pixels.ndim == 2 else np.repeat(alpha[..., None], 3, axis=-1)
    ink = np.average(pixels, weights=alpha)
    invisible = pixels[alpha == 0].mean() if (alpha == 0).any() else ink
    ground = 255 * (invisible > 127 if np.ptp([invisible, *pixels[alpha > 0]]) > 127 else ink <= 127)
    changes.append(f"its transparency on {'white' if ground else 'black'}")
    result: NDArray[np.uint8] = np.rint(pixels * (alpha / 255) + ground * (1 - alpha / 255)).astype(np.uint8)
    return result


def _eight_bits(path: Path, values: NDArray[Any]) -> NDArray[np.uint8]:
    """Floats in [0, 1] or [0, 255], and integers of 8 or 16 bits, as 0 to 255."""
    smallest, largest = values.min(), values.max()
    if np.isfinite(values).all() and smallest >= 0:
        if values.dtype.kind == "f" and largest <= 1:
            as_dataset = largest < 1 and (values * 256 == np.rint(values * 256)).all()  # value / 256
            values = values * (256 if as_dataset else 255)
        if values.max() <= 255:
            pixels: NDArray[np.uint8] = np.rint(values).astype(np.uint8)
            return pixels
        if values.dtype.kind != "f" and LEAST_16_BIT <= largest < 2**16:
            return (values >> 8).astype(np.uint8)
    raise DataError(
        f"{path} has values from {smallest} to {largest}, whose range is unknown; expected floats in [0, 1] or "
        "[0, 255], or 8 or 16 bits: save it with 8 bits"
    )


def _wrong_size(path: Path, size: Any, image_shape: list[int]) -> DataError:
    return DataError(f"{path} is {_format(size)}; the model was trained on {_format(image_shape[1:])}")


def _format(size: Any) -> str:
    return " x ".join(map(str, size))
