"""Datasets of images in four idx files, the format of MNIST and of many after it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dlpipe.data import files
from dlpipe.data.files import RemoteFile
from dlpipe.data.free_memory import free_bytes
from dlpipe.data.idx_cache import open_idx
from dlpipe.data.idx_format import read_idx
from dlpipe.data.in_memory_module import NotNegative
from dlpipe.data.minibatches import Split
from dlpipe.data.pixels import as_bytes, to_examples
from dlpipe.data.split_cache import Splits, load_once
from dlpipe.data.tensor_module import TensorDataModule
from dlpipe.errors import DataError

log = logging.getLogger(__name__)


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
        resident_bytes: a dataset whose float32 tensors are larger than this is not converted whole: its minibatches
            are, from a memory map, and the numbers are the same. None for half of the memory that is free, of which
            each of several ranks has its part.
        loading: as for `TensorDataModule`.
    """

    dataset_name: ClassVar[str]
    idx_files: ClassVar[IdxFiles]
    num_validation: ClassVar[int] = 10_000

    def __init__(
        self,
        *,
        directory: str | None = None,
        offline: bool = False,
        resident_bytes: NotNegative | None = None,
        **loading: Any,
    ) -> None:
        super().__init__(**loading)
        self.resident_bytes = resident_bytes
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
        self._check_files(folder)

    def load_splits(self) -> Splits:
        """x (examples, pixels) in [0, 1), y (examples,)."""
        folder = self._folder()
        if folder is None:
            raise DataError(self._not_found())
        self._check_files(folder)
        sums = [file.sha256 for file in self.idx_files.all()]
        return load_once((*sums, self.num_validation, self.resident_bytes), lambda: self._read(folder))

    def _check_files(self, folder: Path) -> None:
        for file in self.idx_files.all():
            files.check(folder / file.name, file)

    def _read(self, folder: Path) -> Splits:
        train_x, train_y = _images_and_labels(folder, self.idx_files.train_images, self.idx_files.train_labels)
        test_x, test_y = _images_and_labels(folder, self.idx_files.test_images, self.idx_files.test_labels)
        self._check_files(folder)  # again: another process may have replaced a file before it was read
        last = len(train_x) - self.num_validation
        if last < 1:
            raise DataError(
                f"{self.dataset_name} has {len(train_x)} training images; {self.num_validation} for validation leave "
                f"none to train on. Set num_validation in {type(self).__name__}"
            )
        form = to_examples if self._fits(4 * (train_x.size + test_x.size)) else as_bytes
        x = form(train_x)
        return {
            "train": Split(x[:last], train_y[:last]),
            "val": Split(x[last:], train_y[last:]),
            "test": Split(form(test_x), test_y),
        }

    def _fits(self, wanted: int) -> bool:
        """Whether so many bytes of float32 may be resident."""
        budget = self.resident_bytes
        if budget is None:
            budget = free_bytes() // 2 // self.shard.world_size
        if wanted > budget:
            log.info(
                "%s stays a memory map: it would take %.3g GiB and may take %.3g (dataset.resident_bytes)",
                self.dataset_name,
                wanted / 2**30,
                budget / 2**30,
            )
        return wanted <= budget

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


def _images_and_labels(folder: Path, images: RemoteFile, labels: RemoteFile) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """(images, height, width) as a memory map, (images,) of int64."""
    x, y = open_idx(folder / images.name), read_idx(folder / labels.name)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(
            f"{folder / images.name} has the dimensions {x.shape} and {folder / labels.name} {y.shape}; "
            "wanted n x height x width and n"
        )
    return x, torch.from_numpy(y.astype(np.int64))
