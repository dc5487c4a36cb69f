"""The base of every dataset of tensors."""

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from dlpipe.data.encode_splits import encode_splits
from dlpipe.data.in_memory_module import InMemoryDataModule, NotNegative, Positive
from dlpipe.data.minibatches import EpochSampler, Minibatches, Split, SplitName, TensorMinibatches
from dlpipe.data.split_cache import clear_split_cache
from dlpipe.errors import DataError


class TensorDataModule(InMemoryDataModule):
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
        super().__init__(batch_size, shuffle, drop_last, eval_batch_size, seed)
        self.image_shape = image_shape
        self.num_features = num_features
        self.num_classes = num_classes
        self.eval_drop_last = eval_drop_last
        self.splits: dict[SplitName, Split] = {}
        # of a stage: what it makes of x (examples, num_features), once
        self.encode: Callable[[Tensor], Tensor] | None = None

    @abstractmethod
    def load_splits(self) -> dict[SplitName, Split]:
        """Read train, val and test: x (examples, num_features), y (examples,)."""

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
        self.splits = encode_splits(splits, self.encode, self.eval_batch_size) if self.encode else splits
        if self.device.type != "cpu" and _fit(self.splits, self.device):
            self.splits = {name: Split(x.to(self.device), y.to(self.device)) for name, (x, y) in self.splits.items()}
            clear_split_cache()  # what is on the CPU

    def _check(self, name: SplitName, split: Split) -> None:
        features = math.prod(split.x.shape[1:])
        if features != self.num_features or math.prod(self.image_shape) != self.num_features:
            raise DataError(
                f"{name} has {features} features an example; the config says num_features={self.num_features}, "
                f"image_shape={self.image_shape}. Set dataset.num_features and dataset.image_shape to match"
            )
        if len(split.x) != len(split.y):
            raise DataError(f"{name} has {len(split.x)} examples but {len(split.y)} labels")
        self.check_size(name, len(split.x), self.drop_last if name == "train" else self.eval_drop_last)
        if not 0 <= int(split.y.min()) <= int(split.y.max()) < self.num_classes:
            raise DataError(
                f"{name} has labels from {int(split.y.min())} to {int(split.y.max())}; "
                f"dataset.num_classes={self.num_classes} allows 0 to {self.num_classes - 1}"
            )

    def train_dataloader(self) -> Minibatches:
        """Minibatches of (x, y) in the epoch's order; of several ranks each gets its own ``batch_size`` of them."""
        split = self.splits["train"]
        order = EpochSampler(len(split.x), self.seed, self.shuffle)
        return TensorMinibatches(split, *self.division(order), self.shard, self.device)

    def val_dataloader(self) -> Minibatches:
        """The validation examples in large batches."""
        return self._evaluation(self.splits["val"])

    def test_dataloader(self) -> Minibatches:
        """The test examples in large batches."""
        return self._evaluation(self.splits["test"])

    def _evaluation(self, split: Split) -> Minibatches:
        if self.eval_drop_last:
            split = split.first(len(split.x) - len(split.x) % self.global_batch_size)
        order = EpochSampler(len(split.x), self.seed, shuffle=False)
        return TensorMinibatches(split, self.eval_batch_size, order, device=self.device)


def _fit(splits: dict[SplitName, Split], device: torch.device) -> bool:
    """Whether tensors may live on a device: in half of a GPU's free memory, and not while their pixels are bytes."""
    tensors = [split.x for split in splits.values()]
    if any(x.dtype == torch.uint8 for x in tensors):
        return False
    return device.type != "cuda" or sum(x.nbytes for x in tensors) <= torch.cuda.mem_get_info(device)[0] // 2
