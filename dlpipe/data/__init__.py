"""Datasets: resident tensors and sequences, minibatches as slices, files with checksums.

To write a dataset of your own, subclass `TensorDataModule` (any tensors), `IdxImages` (four idx files) or
`SequenceDataModule` (sequences of any lengths).
"""

from dlpipe.data.files import RemoteFile
from dlpipe.data.idx import IdxFiles, IdxImages
from dlpipe.data.minibatches import EpochOrder, Minibatches, Split, TensorMinibatches
from dlpipe.data.module import TensorDataModule
from dlpipe.data.ragged import Ragged, SequenceBatch, SequenceSplit, mask_of
from dlpipe.data.sequence_module import SequenceDataModule

__all__ = [
    "EpochOrder",
    "IdxFiles",
    "IdxImages",
    "Minibatches",
    "Ragged",
    "RemoteFile",
    "SequenceBatch",
    "SequenceDataModule",
    "SequenceSplit",
    "Split",
    "TensorDataModule",
    "TensorMinibatches",
    "mask_of",
]
