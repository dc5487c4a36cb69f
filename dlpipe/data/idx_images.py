"""The base of datasets of images in four idx files, the format of MNIST and its successors."""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dlpipe.data import files
from dlpipe.data.available_memory import fits_in_memory
from dlpipe.data.files import RemoteFile
from dlpipe.data.idx_cache import open_idx
from dlpipe.data.idx_format import read_idx
from dlpipe.data.in_memory_module import NotNegative
from dlpipe.data.minibatches import Split
from dlpipe.data.pixel_scaling import flatten_and_scale, flatten_images
from dlpipe.data.split_cache import Splits, cached_splits
from dlpipe.data.tensor_module import TensorDataModule
from dlpipe.errors import DataError


class IdxFiles(NamedTuple):
    """The four files of an idx dataset."""

    train_images: RemoteFile
    train_labels: RemoteFile
    test_images: RemoteFile
    test_labels: RemoteFile


class IdxImages(TensorDataModule):
    """Images and labels from four idx files; a subclass names the files and the size of the validation set.

    Pixels become float32 as value / 256, as in the tutorials (the largest is 0.99609375). The last
    ``num_validation`` training images, in the original order, are the validation set.

    Args:
        directory: the folder that has the files; by default ``$DLPIPE_DATA/<dataset>``, then the user's cache.
        offline: whether downloading is forbidden.
        resident_bytes: the most bytes that the float32 tensors may take. A larger dataset stays a memory map, and its
            minibatches are converted one by one; the numbers are the same. None for half of the available memory,
            divided by the number of ranks.
        options: as for `TensorDataModule`.
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.resident_bytes = resident_bytes
        self.directory = directory
        self.offline = offline

    def prepare_data(self) -> None:
        """Find the files or download them, and check each against its sha256.

        Raises:
            DataError: they are not found and cannot be downloaded, or one is damaged.
        """
        if self.find_files() is None:
            files.download_all(self.idx_files, self.dataset_name, self.directory, self.offline, self._not_found())
        self._checked_files()

    def load_splits(self) -> Splits:
        """x (examples, pixels) in [0, 1), y (examples,)."""
        paths = self._checked_files()
        checksums = [file.sha256 for file in self.idx_files]
        return cached_splits((*checksums, self.num_validation, self.resident_bytes), lambda: self._read(paths))

    def _checked_files(self) -> list[Path]:
        paths = self.find_files()
        if paths is None:
            raise DataError(self._not_found())
        for path, file in zip(paths, self.idx_files, strict=True):
            files.check(path, file)
        return paths

    def _read(self, paths: list[Path]) -> Splits:
        train_x, train_y = _images_and_labels(*paths[:2])
        test_x, test_y = _images_and_labels(*paths[2:])
        self._checked_files()  # again: another process may have replaced a file meanwhile
        num_train = len(train_x) - self.num_validation
        if num_train < 1:
            raise DataError(
                f"{self.dataset_name} has {len(train_x)} training images; {self.num_validation} for validation leave "
                f"none to train on. Set num_validation in {type(self).__name__}"
            )
        flatten = flatten_and_scale if self._fits(4 * (train_x.size + test_x.size)) else flatten_images
        x = flatten(train_x)
        return {
            "train": Split(x[:num_train], train_y[:num_train]),
            "val": Split(x[num_train:], train_y[num_train:]),
            "test": Split(flatten(test_x), test_y),
        }

    def _fits(self, size: int) -> bool:
        """Whether float32 tensors of ``size`` bytes may be in memory."""
        return fits_in_memory(self.dataset_name, size, self.resident_bytes, self.shard.world_size)

    def find_files(self) -> list[Path] | None:
        """The four files, in the first folder that has them all."""
        return files.find_all((file.name for file in self.idx_files), self.dataset_name, self.directory)

    def checksums(self) -> dict[str, str]:
        """File name to the sha256 that `prepare_data` compares."""
        return {file.name: file.sha256 for file in self.idx_files}

    def _not_found(self) -> str:
        folders = files.describe_folders(self.dataset_name, self.directory)
        names = ", ".join(file.name for file in self.idx_files)
        return (
            f"no {self.dataset_name} in {folders} (expected files: {names}). Put them there, or set "
            f"{files.DATA_VARIABLE} to the folder that has {self.dataset_name}/; dataset=digits needs no files."
        )


def _images_and_labels(images: Path, labels: Path) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """(images, height, width) as a memory map, (images,) of int64."""
    x, y = open_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(
            f"{images} has the dimensions {x.shape} and {labels} {y.shape}; expected n x height x width and n"
        )
    return x, torch.from_numpy(y.astype(np.int64))
