"""The base of every dataset of tensors."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from dlpipe.data import loaded
from dlpipe.data.encoded import encoded
from dlpipe.data.minibatches import ALONE, EpochOrder, Minibatches, Part, Split, SplitName
from dlpipe.errors import DataError

Positive = Annotated[int, Field(gt=0, lt=2**31)]  # torch takes no count of any size
NotNegative = Annotated[int, Field(ge=0)]


class TensorDataModule(pl.LightningDataModule, ABC):
    """Three splits that live on the device; a subclass says in `load_splits` where they come from.

    Training sees minibatches of ``batch_size``, in the original order or shuffled anew each epoch.
    Evaluation sees every example, in batches of ``eval_batch_size``; with ``eval_drop_last`` only as many as
    fill whole minibatches of ``batch_size``, which is how the tutorials score 9,600 of MNIST's 10,000. In a run on
    several devices a minibatch is ``batch_size`` examples from each.

    Args:
        image_shape: channels, height, width of one example.
        num_features: entries of one flattened example; x has the shape (examples, num_features).
        num_classes: labels run from 0 to num_classes - 1.
        batch_size: examples in a training minibatch; None for all of them.
        shuffle: whether each epoch has an order of its own; a function of (seed, epoch).
        drop_last: whether training leaves out a last minibatch that is not full.
        eval_batch_size: examples in an evaluation batch; has no effect on the numbers.
        eval_drop_last: whether evaluation leaves out what does not fill a minibatch of ``batch_size``.
        seed: of the order.
    """

    def __init__(
        self,
        *,
        image_shape: list[Positive],
        num_features: Positive,
        num_classes: Positive,
        batch_size: Positive | None,
        shuffle: bool,
        drop_last: bool,
        eval_batch_size: Positive,
        eval_drop_last: bool,
        seed: NotNegative,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.num_features = num_features
        self.num_classes = num_classes
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.eval_batch_size = eval_batch_size
        self.eval_drop_last = eval_drop_last
        self.seed = seed
        self.splits: dict[SplitName, Split] = {}
        self.part: Part = ALONE
        # of a stage: what it makes of x (examples, num_features), once
        self.encode: Callable[[Tensor], Tensor] | None = None

    @abstractmethod
    def load_splits(self) -> dict[SplitName, Split]:
        """Read train, val and test: x (examples, num_features), y (examples,)."""

    def checksums(self) -> dict[str, str]:
        """Name to sha256 of the files the data comes from, for the run's provenance."""
        return {}

    def setup(self, stage: str) -> None:
        """Load the splits once, check them against the config, and move them to the device, where they fit there.

        Raises:
            DataError: the data does not have the shape, the labels or the number of examples it should.
        """
        if self.splits:
            return
        splits = self.load_splits()
        for name, split in splits.items():
            self._check(name, split)
        self.splits = encoded(splits, self.encode, self.eval_batch_size) if self.encode else splits
        if self.device.type != "cpu" and _fit(self.splits, self.device):
            self.splits = {name: Split(x.to(self.device), y.to(self.device)) for name, (x, y) in self.splits.items()}
            loaded.forget()  # what is on the CPU

    @property
    def device(self) -> torch.device:
        """Where minibatches are trained on."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def _check(self, name: SplitName, split: Split) -> None:
        features = math.prod(split.x.shape[1:])
        if features != self.num_features or math.prod(self.image_shape) != self.num_features:
            raise DataError(
                f"{name} has {features} features an example; the config says num_features={self.num_features}, "
                f"image_shape={self.image_shape}. Set dataset.num_features and dataset.image_shape to match"
            )
        if len(split.x) != len(split.y):
            raise DataError(f"{name} has {len(split.x)} examples but {len(split.y)} labels")
        if not len(split.x):
            raise DataError(f"{name} has no examples")
        if not 0 <= int(split.y.min()) <= int(split.y.max()) < self.num_classes:
            raise DataError(
                f"{name} has labels from {int(split.y.min())} to {int(split.y.max())}; "
                f"dataset.num_classes={self.num_classes} allows 0 to {self.num_classes - 1}"
            )
        drops = self.drop_last if name == "train" else self.eval_drop_last
        if drops and len(split.x) < self._common_size:
            raise DataError(
                f"{name} has {len(split.x)} examples, fewer than one minibatch of {self._told_size()}, and "
                "minibatches that are not full are dropped; choose a smaller recipe.batch_size"
            )

    @property
    def _common_size(self) -> int:
        """Examples in a minibatch of all ranks together; 1, which drops nothing, where it is the whole set."""
        return 1 if self.batch_size is None else self.batch_size * self.part.world_size

    def _told_size(self) -> str:
        devices = self.part.world_size
        return f"{self.batch_size} on each of {devices} devices" if devices > 1 else str(self.batch_size)

    def train_dataloader(self) -> Minibatches:
        """Minibatches of (x, y) in the epoch's order; of several ranks each gets its own ``batch_size`` of them."""
        split = self.splits["train"]
        order = EpochOrder(len(split.x), self.seed, self.shuffle)
        batch_size = self.batch_size or -(-len(split.x) // self.part.world_size)
        drop_last = self.drop_last and self.batch_size is not None
        return Minibatches(split, batch_size, order, drop_last, self.part, self.device)

    def val_dataloader(self) -> Minibatches:
        """The validation examples in large batches."""
        return self._evaluation(self.splits["val"])

    def test_dataloader(self) -> Minibatches:
        """The test examples in large batches."""
        return self._evaluation(self.splits["test"])

    def _evaluation(self, split: Split) -> Minibatches:
        if self.eval_drop_last:
            split = split.first(len(split.x) - len(split.x) % self._common_size)
        order = EpochOrder(len(split.x), self.seed, shuffle=False)
        return Minibatches(split, self.eval_batch_size, order, device=self.device)


def _fit(splits: dict[SplitName, Split], device: torch.device) -> bool:
    """Whether tensors may live on a device: in half of a GPU's free memory, and not while their pixels are bytes."""
    tensors = [split.x for split in splits.values()]
    if any(x.dtype == torch.uint8 for x in tensors):
        return False
    return device.type != "cuda" or sum(x.nbytes for x in tensors) <= torch.cuda.mem_get_info(device)[0] // 2
