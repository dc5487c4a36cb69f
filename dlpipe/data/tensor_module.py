"""The base of datasets of tensors."""

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
    """Three splits of tensors, on the device if they fit there; a subclass reads them in `load_splits`.

    Training uses minibatches of ``batch_size``, in the original order or shuffled each epoch. Evaluation uses every
    example, in batches of ``eval_batch_size``; with ``eval_drop_last`` only as many as fill whole minibatches of
    ``batch_size``, which is how the tutorials score 9,600 of MNIST's 10,000. On several devices each rank trains on
    ``batch_size`` examples of every global minibatch.

    The targets y may be anything: labels, floats of any shape, a label for each pixel, a row of bools.

    Args:
        image_shape: channels, height, width of one example, for figures and for pictures to predict; None for others.
        num_features: values in one example, for models that take flat ones; None if no model needs it.
        num_classes: y (examples,) has labels from 0 to num_classes - 1; None for targets that are no such labels.
        batch_size: examples in a training minibatch; None for all of them.
        shuffle: whether each epoch has its own order; a function of (seed, epoch).
        drop_last: whether training leaves out a last minibatch that is not full.
        eval_batch_size: examples in an evaluation batch; has no effect on the numbers.
        eval_drop_last: whether evaluation leaves out the examples that do not fill a minibatch of ``batch_size``.
        seed: seed of the order.
    """

    splits: dict[SplitName, Split]

    def __init__(
        self,
        *,
        image_shape: list[Positive] | None = None,
        num_features: Positive | None = None,
        num_classes: Positive | None = None,
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
        # a stage sets it: a function of x (examples, num_features), applied once, whose result the stage trains on
        self.encode: Callable[[Tensor], Tensor] | None = None

    @abstractmethod
    def load_splits(self) -> dict[SplitName, Split]:
        """Read train, val and test: x and y (examples, ...)."""

    def check_split(self, name: SplitName, split: Split) -> None:
        """Compare features, labels and the number of examples with the config.

        Raises:
            DataError: they do not match.
        """
        features = math.prod(split.x.shape[1:])
        sizes = [self.num_features, self.image_shape and math.prod(self.image_shape)]
        if any(size is not None and size != features for size in sizes):
            raise DataError(
                f"{name} has {features} features an example; the config says num_features={self.num_features}, "
                f"image_shape={self.image_shape}. Set dataset.num_features and dataset.image_shape to match, "
                "or to null if no model needs them"
            )
        if len(split.x) != len(split.y):
            raise DataError(f"{name} has {len(split.x)} examples but {len(split.y)} labels")
        self.check_num_examples(name, len(split.x), self.drop_last if name == "train" else self.eval_drop_last)
        self._check_labels(name, split.y)

    def _check_labels(self, name: SplitName, y: Tensor) -> None:
        """Compare labels (examples,) with ``num_classes``; a label for each pixel may be one that the loss ignores."""
        if self.num_classes is None or y.ndim > 1:
            return
        least, largest = y.min().item(), y.max().item()
        if not 0 <= least <= largest < self.num_classes:
            raise DataError(
                f"{name} has labels from {least} to {largest}; dataset.num_classes={self.num_classes} allows 0 to "
                f"{self.num_classes - 1}; if they are targets of a regression, set dataset.num_classes=null"
            )

    def move_splits(self, splits: dict[SplitName, Split]) -> dict[SplitName, Split]:
        """The splits, encoded for a stage that sets `encode`, on the device if they fit there."""
        if self.encode:
            splits = encode_splits(splits, self.encode, self.eval_batch_size)
        if self.device.type != "cpu" and _fit(splits, self.device):
            splits = {name: Split(x.to(self.device), y.to(self.device)) for name, (x, y) in splits.items()}
            clear_split_cache()  # it holds the copies on the CPU
        return splits

    def train_dataloader(self) -> Minibatches:
        """Minibatches (x, y) in the epoch's order, ``batch_size`` examples for each rank."""
        split = self.splits["train"]
        sampler = EpochSampler(len(split.x), self.seed, self.shuffle)
        return TensorMinibatches(split, **self.loader_arguments(sampler), device=self.device)

    def evaluation_batches(self, split: Split) -> Minibatches:
        """The examples in the original order, without a remainder if ``eval_drop_last``."""
        if self.eval_drop_last:
            split = split.first(len(split.x) - len(split.x) % self.global_batch_size)
        sampler = EpochSampler(len(split.x), self.seed, shuffle=False)
        return TensorMinibatches(split, self.eval_batch_size, sampler, device=self.device)


def _fit(splits: dict[SplitName, Split], device: torch.device) -> bool:
    """Whether float tensors fit in half of a GPU's free memory; uint8 pixels stay where they are."""
    if any(split.x.dtype == torch.uint8 for split in splits.values()):
        return False
    size = sum(tensor.nbytes for split in splits.values() for tensor in split)
    return device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] // 2
