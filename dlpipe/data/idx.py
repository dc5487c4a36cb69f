"""Datasets of images in four idx files, the format of MNIST and of many after it."""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from dlpipe.data import files
from dlpipe.data.files import RemoteFile
from dlpipe.data.minibatches import Split
from dlpipe.data.module import SplitName, TensorDataModule
from dlpipe.errors import DataError

UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class IdxFiles:
    """The four files of an idx dataset."""

    train_images: RemoteFile
    train_labels: RemoteFile
    test_images: RemoteFile
    test_labels: RemoteFile

    def all(self) -> tuple[RemoteFile, ...]:
        """The four, training first."""
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)


def read_idx(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The array in an idx file of unsigned bytes, compressed with gzip or not.

    The format: two zero bytes, the type (8), the number of dimensions, each dimension as a big-endian uint32,
    then the values in row-major order.

    Raises:
        DataError: the file is not idx, or is shorter or longer than it says.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; remove it, and the next run takes a good copy") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTE:
        raise DataError(f"{path} is not an idx file of unsigned bytes: it begins with {data[:4].hex(' ') or 'nothing'}")
    rank = data[3]
    header = 4 + 4 * rank
    shape = tuple(int(n) for n in np.frombuffer(data[4:header], ">u4")) if len(data) >= header else ()
    expected = header + math.prod(shape)
    if len(shape) != rank or len(data) != expected:
        raise DataError(
            f"{path} holds {len(data)} bytes, its header of dimensions {shape} asks for {expected}: "
            "it is truncated or damaged; remove it, and the next run takes a good copy"
        )
    try:
        return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    except ValueError as error:  # up to 255 dimensions of up to 2**32 - 1
        raise DataError(f"{path} has the dimensions {shape}, which no array can have: {error}") from error


class IdxImages(TensorDataModule):
    """Images and labels from four idx files; a subclass names the files and how many to validate on.

    Pixels become float32 as value / 256, as in the tutorials (the largest is 0.99609375). The last
    ``num_validation`` training images, in the original order, are the validation set.

    Args:
        directory: where the files are; by default ``$DLPIPE_DATA/<dataset>``, then the user's cache.
        offline: never download.
        loading: as for `TensorDataModule`.
    """

    dataset_name: ClassVar[str]
    idx_files: ClassVar[IdxFiles]
    num_validation: ClassVar[int] = 10_000

    def __init__(self, *, directory: str | None = None, offline: bool = False, **loading: Any) -> None:
        super().__init__(**loading)
        self.directory = directory
        self.offline = offline

    def prepare_data(self) -> None:
        """Find the files or download them, and check each against its sha256.

        Raises:
            DataError: they are not here and cannot be had, or one is damaged.
        """
        folder = self._folder()
        if folder is None:
            folder = self._download()
        for file in self.idx_files.all():
            files.check(folder / file.name, file)

    def load_splits(self) -> dict[SplitName, Split]:
        """x (examples, pixels) in [0, 1), y (examples,)."""
        folder = self._folder()
        if folder is None:
            raise DataError(self._not_found())
        x, y = _images_and_labels(folder / self.idx_files.train_images.name, folder / self.idx_files.train_labels.name)
        test = _images_and_labels(folder / self.idx_files.test_images.name, folder / self.idx_files.test_labels.name)
        last = len(x) - self.num_validation
        if last < 1:
            raise DataError(
                f"{self.dataset_name} has {len(x)} training images; {self.num_validation} for validation leave none "
                f"to train on. Set num_validation in {type(self).__name__}"
            )
        return {"train": Split(x[:last], y[:last]), "val": Split(x[last:], y[last:]), "test": Split(*test)}

    def checksums(self) -> dict[str, str]:
        """File name to sha256; `prepare_data` has compared them."""
        return {file.name: file.sha256 for file in self.idx_files.all()}

    def _folder(self) -> Path | None:
        """The first place that has all four files."""
        for place in files.search_places(self.dataset_name, self.directory):
            if all((place / file.name).is_file() for file in self.idx_files.all()):
                return place
        return None

    def _download(self) -> Path:
        if self.offline:
            raise DataError(self._not_found())
        *_, folder = files.search_places(self.dataset_name, self.directory)
        if self.directory is not None and not folder.is_dir():  # more likely misspelt than a wish to make it
            raise DataError(f"dataset.directory={self.directory} is no folder; {self._not_found()}")
        try:
            for file in self.idx_files.all():
                files.download(file, folder)
        except DataError as error:
            raise DataError(f"{self._not_found()} {error}") from error
        return folder

    def _not_found(self) -> str:
        places = [str(place) for place in files.search_places(self.dataset_name, self.directory)]
        names = ", ".join(file.name for file in self.idx_files.all())
        return (
            f"no {self.dataset_name} in {' or '.join(places)} (wanted: {names}). Put the files there, or set "
            f"{files.DATA_VARIABLE} to the folder that has {self.dataset_name}/; dataset=digits needs no files."
        )


def to_examples(images: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    """Bytes (images, height, width, ...) as float32 (images, features), value / 256 as in the tutorials."""
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) / np.float32(256))


def _images_and_labels(images: Path, labels: Path) -> Split:
    x, y = read_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(
            f"{images} has the dimensions {x.shape} and {labels} {y.shape}; wanted n x height x width and n"
        )
    return Split(to_examples(x), torch.from_numpy(y.astype(np.int64)))
