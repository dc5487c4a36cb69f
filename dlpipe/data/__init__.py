"""Datasets of tensors and sequences in memory, their minibatches, and their files.

To write a dataset, subclass `TensorDataModule` (tensors), `IdxImages` (four idx files) or `SequenceDataModule`
(sequences of different lengths). `find_or_download` finds a file, `RemoteFileMixin` does it for a dataset of one file,
`open_content` decompresses one, and `cached` stores arrays that take long to load in `cache_directory`. A missing or
damaged file raises `dlpipe.DataError`.
"""

from dlpipe.data.array_cache import CacheEntry, cached
from dlpipe.data.content import READ_ERRORS, open_content
from dlpipe.data.files import (
    RemoteFile,
    RemoteFileMixin,
    cache_directory,
    describe_folders,
    find,
    find_or_download,
    search_folders,
    sha256_of,
)
from dlpipe.data.idx_images import IdxFiles, IdxImages
from dlpipe.data.legacy_pickle import read_pickles
from dlpipe.data.minibatches import EpochSampler, Minibatches, Split, SplitName, TensorMinibatches
from dlpipe.data.ragged import Ragged
from dlpipe.data.sequence_batches import SequenceBatch, SequenceMinibatches, SequenceSplit, length_mask
from dlpipe.data.sequence_module import SequenceDataModule
from dlpipe.data.tensor_module import TensorDataModule

__all__ = [
    "READ_ERRORS",
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
    "describe_folders",
    "find",
    "find_or_download",
    "length_mask",
    "open_content",
    "read_pickles",
    "search_folders",
    "sha256_of",
]
