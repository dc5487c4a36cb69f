"""Pictures of three splits in one cache file, and the tensors of them."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlpipe.data import CachedPixels, Split, SplitName, fits_in_memory, flatten_and_scale, flatten_images

NAMES: tuple[SplitName, ...] = ("train", "val", "test")


class SplitWriter:
    """Writes the pictures of one split after another, and notes their labels and a sha256 of both.

    Args:
        write: takes blocks (pictures, features) of uint8.
    """

    def __init__(self, write: Callable[[NDArray[np.uint8]], object]) -> None:
        self._write = write
        self._labels: dict[SplitName, list[int]] = {name: [] for name in NAMES}
        self._digests = {name: hashlib.sha256() for name in NAMES}

    def add(self, split: SplitName, pixels: NDArray[np.uint8], labels: list[int]) -> None:
        """Write pictures (pictures, features) of a split, after all those of the splits before it in `NAMES`."""
        self._write(pixels)
        self._digests[split].update(pixels.tobytes())
        self._labels[split] += labels

    def metadata(self) -> dict[str, Any]:
        """The labels by split, and the sha256 of pixels and labels."""
        for name, labels in self._labels.items():
            self._digests[name].update(np.array(labels, np.int64).tobytes())
        return {
            "labels": self._labels,
            "sha256": {name: digest.hexdigest() for name, digest in self._digests.items()},
        }


def pixel_splits(name: str, stored: CachedPixels, resident_bytes: int | None, num_ranks: int) -> dict[SplitName, Split]:
    """x (pictures, features) in [0, 1) as value / 256, in memory if that fits, else as mapped bytes; y (pictures,)."""
    is_resident = fits_in_memory(name, 4 * stored.pixels.size, resident_bytes, num_ranks)
    flatten = flatten_and_scale if is_resident else flatten_images
    splits: dict[SplitName, Split] = {}
    start = 0
    for split in NAMES:
        labels = torch.tensor(stored.metadata["labels"][split], dtype=torch.int64)
        splits[split] = Split(flatten(stored.pixels[start : start + len(labels)]), labels)
        start += len(labels)
    return splits
