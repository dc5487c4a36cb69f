"""What every dataset that lives in memory has: minibatches of its training examples, divided among devices."""

from abc import ABC, abstractmethod
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from pydantic import Field

from dlpipe.data.minibatches import SINGLE_PROCESS, EpochSampler, Shard, SplitName
from dlpipe.errors import DataError

Positive = Annotated[int, Field(gt=0, lt=2**31)]  # torch takes no count of any size
NotNegative = Annotated[int, Field(ge=0)]


class InMemoryDataModule(pl.LightningDataModule, ABC):
    """Three splits in memory. In a run on several devices a minibatch is ``batch_size`` examples from each.

    Args:
        batch_size: examples in a training minibatch; None for all of them.
        shuffle: whether each epoch has an order of its own; a function of (seed, epoch).
        drop_last: whether training leaves out a last minibatch that is not full.
        eval_batch_size: examples in an evaluation batch; has no effect on the numbers.
        seed: of the order.
    """

    def __init__(self, batch_size: int | None, shuffle: bool, drop_last: bool, eval_batch_size: int, seed: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self.shard: Shard = SINGLE_PROCESS

    @abstractmethod
    def load_splits(self) -> dict[SplitName, Any]:
        """Read train, val and test."""

    def checksums(self) -> dict[str, str]:
        """Name to sha256 of the files the data comes from, for the run's provenance."""
        return {}

    @property
    def device(self) -> torch.device:
        """Where minibatches are trained on."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    @property
    def global_batch_size(self) -> int:
        """Examples in a minibatch of all ranks together; 1, which drops nothing, where it is the whole set."""
        return 1 if self.batch_size is None else self.batch_size * self.shard.world_size

    def division(self, order: EpochSampler) -> tuple[int, EpochSampler, bool]:
        """Batch size of a rank, order, and whether a minibatch that is not full is left out, in training."""
        batch_size = self.batch_size or -(-order.num_examples // self.shard.world_size)
        return batch_size, order, self.drop_last and self.batch_size is not None

    def check_size(self, name: SplitName, num_examples: int, drops: bool) -> None:
        """Make sure that a split has examples, and a whole minibatch where others are dropped.

        Raises:
            DataError: it has not.
        """
        if not num_examples:
            raise DataError(f"{name} has no examples")
        if drops and num_examples < self.global_batch_size:
            devices = self.shard.world_size
            message = f"{self.batch_size} on each of {devices} devices" if devices > 1 else str(self.batch_size)
            raise DataError(
                f"{name} has {num_examples} examples, fewer than one minibatch of {message}, and minibatches that "
                "are not full are dropped; choose a smaller recipe.batch_size"
            )
