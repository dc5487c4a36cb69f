"""Datasets: resident tensors, minibatches as slices, files with checksums.

To write a dataset of your own, subclass `TensorDataModule` (any tensors) or `IdxImages` (four idx files).
"""

from dlpipe.data.files import RemoteFile
from dlpipe.data.idx import IdxFiles, IdxImages
from dlpipe.data.minibatches import EpochOrder, Minibatches, Split
from dlpipe.data.module import TensorDataModule

__all__ = ["EpochOrder", "IdxFiles", "IdxImages", "Minibatches", "RemoteFile", "Split", "TensorDataModule"]
