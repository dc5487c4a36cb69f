"""Datasets of images in four idx files, the format of MNIST and of many after it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from dlpipe.data import files
from dlpipe.data.decoded import open_idx
from dlpipe.data.files import RemoteFile
from dlpipe.data.idx_format import read_idx
from dlpipe.data.loaded import Splits, load_once
from dlpipe.data.minibatches import Split
from dlpipe.data.module import TensorDataModule
from dlpipe.data.pixels import to_examples
from dlpipe.errors import DataError


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

    def load_splits(self) -> Splits:
        """x (examples, pixels) in [0, 1), y (examples,)."""
        folder = self._folder()
        if folder is None:
            raise DataError(self._not_found())
        sums = [files.sha256_of(folder / file.name) for file in self.idx_files.all()]
        return load_once((*sums, self.num_validation), lambda: self._read(folder))

    def _read(self, folder: Path) -> Splits:
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


def _images_and_labels(images: Path, labels: Path) -> Split:
    x, y = open_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(
            f"{images} has the dimensions {x.shape} and {labels} {y.shape}; wanted n x height x width and n"
        )
    return Split(to_examples(x), torch.from_numpy(y.astype(np.int64)))
