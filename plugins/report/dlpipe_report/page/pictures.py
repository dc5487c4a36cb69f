"""The pictures in a run's directory as data URIs, as many as the page has room for."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

FOLDERS = ("figures", "samples")
DRAWN_BY_THE_PAGE = {"figures/learning_curves"}
MAX_BYTES = 1_200_000  # of all pictures of a page, before base64 adds a third
KEPT = re.compile(r"_epoch_\d+$")  # in the name of a picture of a kept checkpoint
SMALL = 300  # pixels; narrower pictures are shown twice as large


@dataclass(frozen=True)
class Picture:
    """A picture for an ``img`` element."""

    name: str
    uri: str
    width: int
    height: int

    @property
    def is_of_kept_checkpoint(self) -> bool:
        """Whether it was drawn from a checkpoint that was kept on the way."""
        return bool(KEPT.search(self.name))


def png_uri(content: bytes) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def pictures_of(directory: Path, max_bytes: int = MAX_BYTES) -> tuple[list[Picture], list[str]]:
    """The pictures of a run's figures and samples that fit, and a line for each that is left out.

    Those of kept checkpoints come last.
    """
    pictures, left_out, room = [], [], max_bytes
    paths = [path for folder in FOLDERS for path in sorted((directory / folder).rglob("*.png"))]
    for path in sorted(paths, key=lambda path: bool(KEPT.search(path.stem))):
        name = path.relative_to(directory).with_suffix("").as_posix()
        if name in DRAWN_BY_THE_PAGE:
            continue
        problem = _problem(path, directory, room)
        if problem:
            left_out.append(f"{name}: {problem}")
            continue
        content = path.read_bytes()
        room -= len(content)
        with Image.open(path) as picture:  # reads the header alone
            width, height = picture.size
        enlarged = 2 if width < SMALL else 1
        pictures.append(Picture(name, png_uri(content), enlarged * width, enlarged * height))
    return pictures, left_out


def is_inside(path: Path, directory: Path) -> bool:
    """Whether a file is in a directory, not behind a link that leads out of it."""
    return path.resolve().is_relative_to(directory.resolve())


def _problem(path: Path, directory: Path, room: int) -> str:
    """Why a picture is left out; empty if it is not."""
    if not is_inside(path, directory):
        return "a link that leads out of the run's directory"
    if path.stat().st_size > room:
        return f"{path.stat().st_size:,} bytes, more than there is room for on the page"
    try:
        with Image.open(path, formats=["PNG"]):
            return ""
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return "no PNG file"
