"""Datasets: resident tensors and sequences, minibatches as slices, files with checksums.

To write a dataset of your own, subclass `TensorDataModule` (any tensors), `IdxImages` (four idx files) or
`SequenceDataModule` (sequences of any lengths). Files are found by `find_or_download`, or by `RemoteFileMixin` for a
dataset of one file, and what takes long to read is `kept` in `cache_directory`; what is wrong with them is a
`dlpipe.DataError`.
"""

from dlpipe.data.buckets import SequenceMinibatches
from dlpipe.data.files import RemoteFile, cache_directory, find, find_or_download, search_places, sha256_of
from dlpipe.data.idx import IdxFiles, IdxImages
from dlpipe.data.kept import Kept, kept
from dlpipe.data.legacy_pickle import read_pickles
from dlpipe.data.minibatches import EpochOrder, Minibatches, Split, SplitName, TensorMinibatches
from dlpipe.data.module import TensorDataModule
from dlpipe.data.ragged import Ragged, SequenceBatch, SequenceSplit, mask_of
from dlpipe.data.remote_file_mixin import RemoteFileMixin
from dlpipe.data.sequence_module import SequenceDataModule

__all__ = [
    "EpochOrder",
    "IdxFiles",
    "IdxImages",
    "Kept",
    "Minibatches",
    "Ragged",
    "RemoteFile",
    "RemoteFileMixin",
    "SequenceBatch",
    "SequenceDataModule",
    "SequenceMinibatches",
    "SequenceSplit",
    "Split",
    "SplitName",
    "TensorDataModule",
    "TensorMinibatches",
    "cache_directory",
    "find",
    "find_or_download",
    "kept",
    "mask_of",
    "read_pickles",
    "search_places",
    "sha256_of",
]
