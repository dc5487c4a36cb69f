"""A folder of pictures with a folder for each class."""

import hashlib
import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from dlpipe import DataError
from dlpipe.data import (
    CachedPixels,
    Split,
    SplitName,
    TensorDataModule,
    cache_directory,
    cached_pixels,
    cached_splits,
    flatten_and_scale,
    picture_shape,
    read_picture,
)
from dlpipe_files.picture_folder import Picture, PictureFolder, read_picture_folder
from dlpipe_files.pixel_splits import NAMES, SplitWriter, pixel_splits

log = logging.getLogger(__name__)
FORMAT = 1  # of the cache
LARGEST = 64  # side of the pictures where no size is given: a photograph's own would be millions of features
AT_ONCE = 256  # pictures that are decoded before they are written
SHOWN = 3  # of the files that were skipped
Fraction = Annotated[float, Field(gt=0, lt=1)]


class ImageFolder(TensorDataModule):
    """Your own pictures: a folder for each class, or train, val and test with one each.

    Pictures of any mode and size are brought to ``image_shape``, which a log line counts, and kept as bytes in the
    user's cache. Pixels become float32 as value / 256. Classes are numbered in the order of their names.

    Args:
        directory: the folder.
        image_shape: channels (1 or 3), height, width; null takes those of the first picture, reduced to at most
            64 x 64.
        val_fraction: of the pictures of each class, if there is no folder val, valid or validation.
        test_fraction: of the pictures of each class, if there is no folder test.
        split_seed: of the split, which depends on it and on the names of the files alone.
        on_bad_file: stop at a picture that cannot be read, or skip it and count it in a log line.
        resident_bytes: the most bytes that the float32 tensors may take; more stay bytes in a memory map. None for half
            of the available memory, divided by the number of ranks.
        class_names: the names of the class folders, by label; null reads them.
        options: as for `TensorDataModule`.
    """

    def __init__(
        self,
        *,
        directory: str,
        image_shape: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=3, max_length=3)] | None = None,
        val_fraction: Fraction = 0.2,
        test_fraction: Fraction = 0.2,
        split_seed: int = 0,
        on_bad_file: Literal["stop", "skip"] = "stop",
        resident_bytes: Annotated[int, Field(ge=0)] | None = None,
        class_names: list[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(image_shape=image_shape, **options)
        self.directory = Path(directory)
        self.fractions: dict[SplitName, float] = {"val": val_fraction, "test": test_fraction}
        self.split_seed = split_seed
        self.on_bad_file = on_bad_file
        self.resident_bytes = resident_bytes
        self.class_names = class_names
        self._found: CachedPixels | None = None

    def options_from_files(self) -> dict[str, Any]:
        """The classes by the names of their folders, and the size of the first picture by its header."""
        folder = self._folder()
        shape = self._shape(folder)
        return {
            "class_names": folder.class_names,
            "num_classes": len(folder.class_names),
            "image_shape": shape,
            "num_features": math.prod(shape),
        }

    def prepare_data(self) -> None:
        """Decode the pictures into the user's cache, unless they are there; a DataError names one that is damaged."""
        self._stored()

    def load_splits(self) -> dict[SplitName, Split]:
        """x (pictures, channels * height * width) in [0, 1), y (pictures,)."""
        stored = self._stored()
        for line in stored.metadata["lines"]:
            log.info("%s", line)
        source = (type(self).__name__, *stored.metadata["sha256"].values(), self.resident_bytes, self.shard.world_size)
        return cached_splits(
            source, lambda: pixel_splits(str(self.directory), stored, self.resident_bytes, self.shard.world_size)
        )

    def checksums(self) -> dict[str, str]:
        """sha256 over the pixels, as they were decoded, and the labels of each split."""
        return {f"image_folder {name}": digest for name, digest in self._stored().metadata["sha256"].items()}

    def read_examples(self, path: Path) -> Tensor:
        """One picture, converted as those of the folder: (1, channels * height * width)."""
        if not path.is_file():
            raise DataError(f"no file {path}")
        row, changes = _read(path, self._shape(None))
        if changes:
            log.info("%s was converted: %s", path, "; ".join(changes))
        return flatten_and_scale(row[None])

    def _folder(self) -> PictureFolder:
        folder = read_picture_folder(self.directory, self.fractions, self.split_seed)
        if self.class_names not in (None, folder.class_names):
            had, has = (", ".join(names) for names in (self.class_names or [], folder.class_names))
            raise DataError(f"{self.directory} has the classes {has}; dataset.class_names has {had}")
        return folder

    def _shape(self, folder: PictureFolder | None) -> list[int]:
        """The given shape, or else that of the first training picture, within `LARGEST`."""
        if self.image_shape is None:
            folder = folder or self._folder()
            channels, *size = self._first_shape(sorted(folder.splits["train"], key=lambda picture: picture.name))
            ratio = min(1.0, LARGEST / max(size))
            return [channels, *(max(1, round(ratio * side)) for side in size)]
        if self.image_shape[0] not in (1, 3):
            raise DataError(f"dataset.image_shape={self.image_shape} begins with the channels, 1 for grey or 3")
        return self.image_shape

    def _first_shape(self, pictures: list[Picture]) -> list[int]:
        """The shape of the first picture that can be read."""
        for picture in pictures:
            try:
                return picture_shape(self.directory / picture.name)
            except DataError:
                if self.on_bad_file == "stop" or picture is pictures[-1]:
                    raise
        raise DataError(f"{self.directory} has no pictures to train on")

    def _stored(self) -> CachedPixels:
        """The decoded pictures; looked for once, since listing 100,000 files takes seconds."""
        if self._found is None:
            self._found = self._cached()
        return self._found

    def _cached(self) -> CachedPixels:
        folder = self._folder()
        shape = self._shape(folder)
        key = hashlib.sha256(repr((FORMAT, shape, self.on_bad_file)).encode())
        for name in NAMES:
            for picture in folder.splits[name]:
                key.update(repr((name, *picture)).encode())
        path = cache_directory("image_folder") / f"{key.hexdigest()}.pixels"
        return cached_pixels(path, math.prod(shape), lambda write: self._decode(folder, shape, write))

    def _decode(
        self, folder: PictureFolder, shape: list[int], write: Callable[[NDArray[np.uint8]], object]
    ) -> dict[str, Any]:
        """Write the pixels of all pictures; return their labels, and the lines to log."""
        writer, changes, bad = SplitWriter(write), Counter[str](), list[str]()
        for name in NAMES:
            for picture, result in self._decoded(folder.splits[name], shape):
                if isinstance(result, DataError):
                    bad.append(str(result))
                    continue
                row, changed = result
                writer.add(name, row[None], [picture.label])
                changes.update(changed)
        total = sum(map(len, folder.splits.values()))
        return {**writer.metadata(), "lines": list(_lines(total, changes, bad, folder.ignored))}

    def _decoded(self, pictures: list[Picture], shape: list[int]) -> Iterator[tuple[Picture, Any]]:
        """Each picture with its pixels and how they were changed, or with the DataError of one that is skipped."""

        def read(picture: Picture) -> Any:
            try:
                return _read(self.directory / picture.name, shape)
            except DataError as error:
                if self.on_bad_file == "stop":
                    raise DataError(f"{error}. dataset.on_bad_file=skip leaves out what cannot be read") from error
                return error

        # each thread changes the warnings of the process, and the last to end would not restore them
        with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
            for start in range(0, len(pictures), AT_ONCE):
                block = pictures[start : start + AT_ONCE]
                yield from zip(block, pool.map(read, block), strict=True)


def _read(path: Path, shape: list[int]) -> tuple[NDArray[np.uint8], list[str]]:
    """A picture's pixels, channel by channel (features,), and how it was changed."""
    try:
        pixels, changes = read_picture(path, shape)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return (pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)).reshape(-1), changes


def _lines(total: int, changes: Counter[str], bad: list[str], ignored: list[Path]) -> Iterator[str]:
    if changes:
        counts = ", ".join(f"{count} {change}" for change, count in changes.most_common())
        yield f"of {total} pictures, {counts}"
    if bad:
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        yield f"{len(bad)} of {total} pictures skipped: {'; '.join(bad[:SHOWN])}{more}"
    if ignored:
        yield f"{len(ignored)} files or folders that are no pictures by their names are not used, such as {ignored[0]}"
