"""Datasets of tensors and sequences in memory, their minibatches, and their files.

To write a dataset, subclass `TensorDataModule` (tensors), `IdxImages` (four idx files) or `SequenceDataModule`
(sequences of different lengths). `find_or_download` finds a file, `RemoteFileMixin` does it for a dataset of one file,
`open_content` decompresses one, and `cached` stores arrays that take long to load in `cache_directory`. `read_picture`
reads a picture of any size and mode, `cached_pixels` maps many of them from the cache. A missing or damaged file raises
`dlpipe.DataError`.
"""

from dlpipe.data.array_cache import CacheEntry, cached
from dlpipe.data.available_memory import fits_in_memory
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
from dlpipe.data.idx_cache import open_idx
from dlpipe.data.idx_format import idx_shape, read_idx
from dlpipe.data.idx_images import IdxFiles, IdxImages
from dlpipe.data.legacy_pickle import read_pickles
from dlpipe.data.minibatches import EpochSampler, Minibatches, Split, SplitName, TensorMinibatches
from dlpipe.data.picture_files import picture_shape, read_picture
from dlpipe.data.pixel_cache import CachedPixels, cached_pixels
from dlpipe.data.pixel_scaling import flatten_and_scale, flatten_images
from dlpipe.data.ragged import Ragged
from dlpipe.data.sequence_batches import SequenceBatch, SequenceMinibatches, SequenceSplit, length_mask
from dlpipe.data.sequence_module import SequenceDataModule
from dlpipe.data.split_cache import cached_splits
from dlpipe.data.tensor_module import TensorDataModule

__all__ = [
    "READ_ERRORS",
    "CacheEntry",
    "CachedPixels",
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
    "cached_pixels",
    "cached_splits",
    "describe_folders",
    "find",
    "find_or_download",
    "fits_in_memory",
    "flatten_and_scale",
    "flatten_images",
    "idx_shape",
    "length_mask",
    "open_content",
    "open_idx",
    "picture_shape",
    "read_idx",
    "read_pickles",
    "read_picture",
    "search_folders",
    "sha256_of",
]
