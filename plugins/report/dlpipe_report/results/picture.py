"""One picture of what runs have learnt: their filters and samples in a row."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from dlpipe import DlpipeError, Run

SHOWN = ("filters", "samples")
MOST_HEIGHT = 300  # pixels; a higher figure is halved
GAP = 8
GREYS = 16  # which halve the file


def write_picture(names: Iterable[str], path: Path) -> Path:
    """Write the figures ``filters`` and ``samples`` of these runs side by side; returns the path.

    Raises:
        DlpipeError: no run has such a figure.
    """
    figures = [run.figures for run in map(Run, names)]
    pictures = [_halved(found[name]) for name in SHOWN for found in figures if name in found]
    if not pictures:
        raise DlpipeError(f"no picture: none of these runs has a figure called {' or '.join(SHOWN)}")
    size = sum(picture.width + GAP for picture in pictures) - GAP, max(picture.height for picture in pictures)
    sheet, left = Image.new("L", size, 255), 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(GREYS).save(path, optimize=True)
    return path


def _halved(picture: Image.Image) -> Image.Image:
    return picture.convert("L").reduce(2 if picture.height > MOST_HEIGHT else 1)
