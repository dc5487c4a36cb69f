"""Four idx files of any names."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dlpipe import DataError
from dlpipe.data import (
    CachedPixels,
    Split,
    SplitName,
    TensorDataModule,
    cache_directory,
    cached_pixels,
    cached_splits,
    idx_shape,
    open_idx,
    read_idx,
    sha256_of,
)
from dlpipe_files.pixel_splits import SplitWriter, pixel_splits
from dlpipe_files.split_rows import split_rows

FORMAT = 1  # of the cache
BLOCK = 1000  # images that are written at a time


class IdxPair(NamedTuple):
    """A file of images and the file of their labels."""

    images: Path
    labels: Path
    shape: tuple[int, ...]  # of one image
    num_images: int


class IdxFolder(TensorDataModule):
    """Your own images in four idx files of unsigned bytes, compressed or not, under any names.

    The files are known by their first bytes: images have two or three dimensions, labels one; the larger pair is for
    training. Pixels become float32 as value / 256.

    Args:
        directory: the folder with the four files.
        val_fraction: of the training images, which become the validation set.
        split_seed: chooses them.
        resident_bytes: the most bytes that the float32 tensors may take; more stay bytes in a memory map. None for half
            of the available memory, divided by the number of ranks.
        options: as for `TensorDataModule`.
    """

    def __init__(
        self,
        *,
        directory: str,
        val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        split_seed: int = 0,
        resident_bytes: Annotated[int, Field(ge=0)] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.directory = Path(directory)
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.resident_bytes = resident_bytes

    def options_from_files(self) -> dict[str, Any]:
        """The size of an image by the header, and the number of classes by the labels."""
        train, test = find_pairs(self.directory)
        return {
            "image_shape": [1, *train.shape] if len(train.shape) == 2 else None,
            "num_features": math.prod(train.shape),
            "num_classes": 1 + int(max(read_idx(pair.labels).max() for pair in (train, test))),
        }

    def prepare_data(self) -> None:
        """Find the files and read them; a DataError names one that is damaged."""
        self._stored()

    def load_splits(self) -> dict[SplitName, Split]:
        """x (images, pixels) in [0, 1), y (images,)."""
        stored = self._stored()
        source = (type(self).__name__, *stored.metadata["sha256"].values(), self.resident_bytes, self.shard.world_size)
        return cached_splits(
            source, lambda: pixel_splits(str(self.directory), stored, self.resident_bytes, self.shard.world_size)
        )

    def checksums(self) -> dict[str, str]:
        """File name to sha256."""
        return {path.name: sha256_of(path) for pair in find_pairs(self.directory) for path in pair[:2]}

    def _stored(self) -> CachedPixels:
        train, test = find_pairs(self.directory)
        options = (FORMAT, self.val_fraction, self.split_seed, *self.checksums().values())
        path = cache_directory("idx") / f"{hashlib.sha256(repr(options).encode()).hexdigest()}.pixels"
        return cached_pixels(path, math.prod(train.shape), lambda write: self._read(train, test, write))

    def _read(self, train: IdxPair, test: IdxPair, write: Callable[[NDArray[np.uint8]], object]) -> dict[str, Any]:
        """Write the images in the order of the splits; return their labels."""
        writer = SplitWriter(write)
        order = np.random.default_rng(self.split_seed).permutation(train.num_images)
        rows = split_rows(order, {"val": self.val_fraction}, np.zeros(train.num_images))
        _add(writer, "train", train, rows["train"])
        _add(writer, "val", train, rows["val"])
        _add(writer, "test", test, np.arange(test.num_images))
        return writer.metadata()


def find_pairs(directory: Path) -> tuple[IdxPair, IdxPair]:
    """The files for training and for testing.

    Raises:
        DataError: there are not four, they do not belong together, or one is damaged.
    """
    if not directory.is_dir():
        raise DataError(f"no directory {directory}; set dataset.directory to the folder of the four idx files")
    shapes, others = {}, []
    for path in sorted(path for path in directory.iterdir() if path.is_file() and path.name[0] != "."):
        shape = idx_shape(path)
        if shape is None:
            others.append(path.name)
        else:
            shapes[path] = shape
    images = [path for path, shape in shapes.items() if len(shape) in (2, 3)]
    labels = [path for path, shape in shapes.items() if len(shape) == 1]
    if (len(images), len(labels), len(shapes)) != (2, 2, 4):
        found = ", ".join(f"{path.name} {' x '.join(map(str, shape))}" for path, shape in shapes.items()) or "none"
        no_idx = f"; no idx files of unsigned bytes: {', '.join(others)}" if others else ""
        raise DataError(
            f"{directory} must have two idx files of images and two of labels, for training and test; "
            f"it has {found}{no_idx}"
        )
    return _paired(images, labels, shapes)


def _paired(images: list[Path], labels: list[Path], shapes: dict[Path, tuple[int, ...]]) -> tuple[IdxPair, IdxPair]:
    def order(path: Path) -> tuple[int, bool]:
        return shapes[path][0], "train" in path.name.lower()

    pairs = []
    for pictures, targets in zip(sorted(images, key=order), sorted(labels, key=order), strict=True):
        (count, *shape), (num_labels,) = shapes[pictures], shapes[targets]
        if count != num_labels:
            raise DataError(f"{pictures} has {count} images and {targets} {num_labels} labels; they must be as many")
        if not count:
            raise DataError(f"{pictures} has no images")
        pairs.append(IdxPair(pictures, targets, tuple(shape), count))
    test, train = pairs
    if train.shape != test.shape:
        raise DataError(f"{train.images} has images of {train.shape} and {test.images} of {test.shape}")
    if order(train.images) == order(test.images):
        raise DataError(
            f"{train.images} and {test.images} have as many images, and no name says which is for training: "
            "put 'train' into the names of two files"
        )
    return train, test


def _add(writer: SplitWriter, name: SplitName, pair: IdxPair, rows: NDArray[np.int64]) -> None:
    images, labels = open_idx(pair.images), read_idx(pair.labels)
    for start in range(0, len(rows), BLOCK):
        chosen = rows[start : start + BLOCK]
        writer.add(name, images[chosen].reshape(len(chosen), -1), labels[chosen].tolist())
