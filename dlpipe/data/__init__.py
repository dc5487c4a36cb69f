"""Datasets: resident tensors and sequences, minibatches as slices, files with checksums.

To write a dataset of your own, subclass `TensorDataModule` (any tensors), `IdxImages` (four idx files) or
`SequenceDataModule` (sequences of any lengths). Files are found by `find_or_download`, or by `RemoteFileMixin` for a
dataset of one file, and `cached` stores in `cache_directory` what takes long to load. A file that is missing or
wrong raises `dlpipe.DataError`.
"""

from dlpipe.data.array_cache import CacheEntry, cached
from dlpipe.data.buckets import SequenceMinibatches
from dlpipe.data.files import RemoteFile, cache_directory, find, find_or_download, search_places, sha256_of
from dlpipe.data.idx import IdxFiles, IdxImages
from dlpipe.data.legacy_pickle import read_pickles
from dlpipe.data.minibatches import EpochSampler, Minibatches, Split, SplitName, TensorMinibatches
from dlpipe.data.ragged import Ragged, SequenceBatch, SequenceSplit, mask_of
from dlpipe.data.remote_file_mixin import RemoteFileMixin
from dlpipe.data.sequence_module import SequenceDataModule
from dlpipe.data.tensor_module import TensorDataModule

__all__ = [
    "CacheEntry",
    "EpochSampler",
    "IdxFiles",
    "IdxImages",
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
    "cached",
    "find",
    "find_or_download",
    "mask_of",
    "read_pickles",
    "search_places",
    "sha256_of",
]
