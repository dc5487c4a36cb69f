"""The base of datasets in memory: loading, checks, evaluation, and minibatches divided among ranks."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, TypedDict

import pytorch_lightning as pl
import torch
from pydantic import Field

from dlpipe.data.minibatches import SINGLE_PROCESS, EpochSampler, Minibatches, Shard, SplitName
from dlpipe.errors import DataError

Positive = Annotated[int, Field(gt=0, lt=2**31)]  # the largest count that torch takes
NotNegative = Annotated[int, Field(ge=0)]


class LoaderArguments(TypedDict):
    """Keyword arguments of `Minibatches`."""

    batch_size: int
    sampler: EpochSampler
    drop_last: bool
    shard: Shard


class InMemoryDataModule(pl.LightningDataModule, ABC):
    """Train, val and test splits in memory. A subclass decides what a split is: tensors or sequences.

    On several devices each rank trains on ``batch_size`` examples of every global minibatch.

    Args:
        batch_size: examples in a training minibatch; None for all of them.
        shuffle: whether each epoch has its own order; a function of (seed, epoch).
        drop_last: whether training leaves out a last minibatch that is not full.
        eval_batch_size: examples in an evaluation batch; has no effect on the numbers.
        seed: seed of the order.
    """

    def __init__(self, batch_size: int | None, shuffle: bool, drop_last: bool, eval_batch_size: int, seed: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self.shard: Shard = SINGLE_PROCESS
        self.splits: dict[SplitName, Any] = {}

    def __str__(self) -> str:
        """The size of each split; Lightning's own method raises an AttributeError for loaders of another class."""
        sizes = [f"{self.evaluation_batches(split).num_examples:,} {name}" for name, split in self.splits.items()]
        return f"{type(self).__name__}: {', '.join(sizes) + ' examples' if sizes else 'not loaded yet'}"

    @abstractmethod
    def load_splits(self) -> dict[SplitName, Any]:
        """Read train, val and test."""

    @abstractmethod
    def check_split(self, name: SplitName, split: Any) -> None:
        """Check a loaded split against the config.

        Raises:
            DataError: the split does not match it.
        """

    @abstractmethod
    def move_splits(self, splits: dict[SplitName, Any]) -> dict[SplitName, Any]:
        """The splits as they are trained on, on `device` if they fit there."""

    @abstractmethod
    def evaluation_batches(self, split: Any) -> Minibatches:
        """The examples of a split in batches of ``eval_batch_size``."""

    def checksums(self) -> dict[str, str]:
        """Name to sha256 of the files that the data comes from, for the run's provenance."""
        return {}

    @property
    def device(self) -> torch.device:
        """The device that trains."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    @property
    def global_batch_size(self) -> int:
        """Examples in a minibatch, summed over all ranks; 1 if it is the whole split, so that nothing is dropped."""
        return 1 if self.batch_size is None else self.batch_size * self.shard.world_size

    def setup(self, stage: str) -> None:
        """Load the splits, check them, and move them to the device; a second call does nothing.

        Raises:
            DataError: a split does not match the config.
        """
        if self.splits:
            return
        splits = self.load_splits()
        for name, split in splits.items():
            self.check_split(name, split)
        self.splits = self.move_splits(splits)

    def val_dataloader(self) -> Minibatches:
        """The validation examples in batches of ``eval_batch_size``."""
        return self.evaluation_batches(self.splits["val"])

    def test_dataloader(self) -> Minibatches:
        """The test examples in batches of ``eval_batch_size``."""
        return self.evaluation_batches(self.splits["test"])

    def loader_arguments(self, sampler: EpochSampler) -> LoaderArguments:
        """What the `Minibatches` of the training split are made with, in the order of ``sampler``."""
        return {
            "batch_size": self.batch_size or -(-sampler.num_examples // self.shard.world_size),
            "sampler": sampler,
            "drop_last": self.drop_last and self.batch_size is not None,
            "shard": self.shard,
        }

    def check_num_examples(self, name: SplitName, num_examples: int, drop_last: bool) -> None:
        """Check that a split has examples and, with ``drop_last``, a full minibatch of them.

        Raises:
            DataError: it has too few.
        """
        if not num_examples:
            raise DataError(f"{name} has no examples")
        if drop_last and num_examples < self.global_batch_size:
            devices = self.shard.world_size
            minibatch = f"{self.batch_size} on each of {devices} devices" if devices > 1 else str(self.batch_size)
            raise DataError(
                f"{name} has {num_examples} examples, fewer than one minibatch of {minibatch}, and minibatches that "
                "are not full are dropped; choose a smaller recipe.batch_size"
            )
