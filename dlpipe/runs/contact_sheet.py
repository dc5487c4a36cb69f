"""Several pictures on one sheet, each below its label."""

import math

import numpy as np
from numpy.typing import NDArray

WIDTH = 2000  # pixels of the widest sheet
GAP = 12  # pixels around a picture


def contact_sheet(pictures: list[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """The labelled pictures in rows, in their order.

    A sheet is at most 2,000 pixels wide. If this is too narrow for all, they are scaled down, to a sheet that is about
    as high as wide.

    Args:
        pictures: at least one label and grey, RGB or RGBA picture (height, width[, 3 or 4]), of any shapes.

    Returns:
        An RGB image (height, width, 3).
    """
    from PIL import Image, ImageDraw, ImageFont

    images = [Image.fromarray(picture).convert("RGB") for _, picture in pictures]
    width, height = max(image.width for image in images), max(image.height for image in images)
    as_high_as_wide = math.ceil(math.sqrt(len(images) * height / width))
    columns = min(len(images), max(as_high_as_wide, (WIDTH - GAP) // (width + GAP)))
    scale = min(1, ((WIDTH - GAP) // columns - GAP) / width)
    width, height = max(1, int(width * scale)), max(1, int(height * scale))
    font_size = min(24, max(10, width // 8))
    row_height = height + font_size + 2 * GAP
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * row_height + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(font_size)
    for index, ((label, _), image) in enumerate(zip(pictures, images, strict=True)):
        left, top = GAP + index % columns * (width + GAP), GAP + index // columns * row_height
        draw.text((left, top), label, "black", font)
        image.thumbnail((width, height), Image.Resampling.LANCZOS)
        sheet.paste(image, (left, top + font_size + GAP // 2))
    return np.asarray(sheet)
