"""MNIST, split and scaled as in the tutorials."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlpipe.data import files
from dlpipe.data.files import RemoteFile
from dlpipe.data.idx_images import IdxFiles, IdxImages
from dlpipe.data.legacy_pickle import read_pickles
from dlpipe.data.minibatches import Split
from dlpipe.data.split_cache import Splits, cached_splits
from dlpipe.errors import DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
LEGACY_PICKLE = "mnist.pkl.gz"


def _remote(name: str, sha256: str, content_sha256: str) -> RemoteFile:
    return RemoteFile(name, sha256, tuple(mirror + name for mirror in MIRRORS), content_sha256)


class Mnist(IdxImages):
    """Handwritten digits: 50,000 train, 10,000 val and 10,000 test images of 28 x 28, in the original order.

    Pixels are value / 256, not / 255; with that and the order, logistic regression reproduces the published log
    digit for digit. Read from the four idx files or, if no folder has them all, from the tutorials' own
    ``mnist.pkl.gz``.

    Source: LeCun et al. (1998), Gradient-based learning applied to document recognition.
    """

    dataset_name = "mnist"
    idx_files = IdxFiles(
        train_images=_remote(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        train_labels=_remote(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        test_images=_remote(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        test_labels=_remote(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    )

    def prepare_data(self) -> None:
        """As `IdxImages`; a legacy pickle has no known checksum, so it is read to find damage."""
        if self._legacy_pickle() is None:
            super().prepare_data()
        else:
            self.load_splits()

    def load_splits(self) -> Splits:
        """x (examples, 784) in [0, 1), y (examples,)."""
        legacy = self._legacy_pickle()
        if legacy is None:
            return super().load_splits()
        return cached_splits((LEGACY_PICKLE, files.sha256_of(legacy)), lambda: _read_legacy(legacy))

    def checksums(self) -> dict[str, str]:
        """File name to sha256."""
        legacy = self._legacy_pickle()
        return super().checksums() if legacy is None else {legacy.name: files.sha256_of(legacy)}

    def _legacy_pickle(self) -> Path | None:
        """The pickle, if no folder has the idx files."""
        if self.find_files() is not None:
            return None
        return files.find(LEGACY_PICKLE, self.dataset_name, self.directory)


def _read_legacy(path: Path) -> Splits:
    (content,) = read_pickles(path)
    try:
        (train, val, test) = [_split(x, y) for x, y in content]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is not ((x, y), (x, y), (x, y)) of arrays: {error}") from error
    return {"train": train, "val": val, "test": test}


def _split(x: Any, y: Any) -> Split:
    pixels, labels = np.array(x, np.float32), np.array(y, np.int64)
    if pixels.ndim != 2 or labels.shape != pixels.shape[:1]:
        raise ValueError(f"x has the dimensions {pixels.shape}, y {labels.shape}; expected n x pixels and n")
    return Split(torch.from_numpy(pixels), torch.from_numpy(labels))
