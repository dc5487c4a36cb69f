"""The base of every dataset of sequences."""

from abc import abstractmethod

import torch

from dlpipe.data.buckets import BucketedSampler, SequenceMinibatches
from dlpipe.data.in_memory_module import InMemoryDataModule, NotNegative, Positive
from dlpipe.data.minibatches import EpochSampler, SplitName
from dlpipe.data.ragged import Ragged, SequenceSplit
from dlpipe.errors import DataError


class SequenceDataModule(InMemoryDataModule):
    """Three splits of sequences that live on the device; a subclass says in `load_splits` where they come from.

    Training sees minibatches of ``batch_size`` sequences of like lengths, padded; evaluation sees every sequence,
    sorted by length, in batches of ``eval_batch_size``.

    Args:
        batch_size: sequences in a training minibatch; None for all of them.
        shuffle: whether each epoch has an order of its own; a function of (seed, epoch). Otherwise the original one.
        drop_last: whether training leaves out a last minibatch that is not full.
        bucket: minibatches among which sequences are sorted by length, where they are shuffled; 1 for none.
        eval_batch_size: sequences in an evaluation batch; has no effect on the numbers.
        seed: of the order.
    """

    def __init__(
        self,
        *,
        batch_size: Positive | None,
        shuffle: bool,
        drop_last: bool,
        bucket: Positive,
        eval_batch_size: Positive,
        seed: NotNegative,
    ) -> None:
        super().__init__(batch_size, shuffle, drop_last, eval_batch_size, seed)
        self.bucket = bucket
        self.splits: dict[SplitName, SequenceSplit] = {}

    @abstractmethod
    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Read train, val and test."""

    def setup(self, stage: str) -> None:
        """Load the splits once, check them, and move them to the device.

        Raises:
            DataError: there are no sequences, one is empty, or sequences and what is told of them do not match.
        """
        if self.splits:
            return
        splits = self.load_splits()
        for name, split in splits.items():
            self._check(name, split)
        self.splits = {name: split.to(self.device) for name, split in splits.items()}

    def _check(self, name: SplitName, split: SequenceSplit) -> None:
        x, y = split
        self.check_size(name, len(x), self.drop_last and name == "train")
        if len(x) != len(y):
            raise DataError(f"{name} has {len(x)} sequences but {len(y)} labels")
        lengths = x.lengths
        if not int(lengths.min()):
            raise DataError(f"{name} has an empty sequence, number {int(lengths.argmin())} from 0; leave it out")
        if isinstance(y, Ragged) and not torch.equal(lengths, y.lengths):
            row = int((lengths != y.lengths).nonzero()[0])
            message = f"{int(lengths[row])} entries but {int(y.lengths[row])} labels"
            raise DataError(f"{name}: sequence number {row} from 0 has {message}")

    def train_dataloader(self) -> SequenceMinibatches:
        """Minibatches of (x, y, lengths) in the epoch's order; of several ranks each gets its own ``batch_size``."""
        split = self.splits["train"]
        order = EpochSampler(len(split.x), self.seed, shuffle=False)
        if self.shuffle:
            size = self.global_batch_size if self.batch_size else len(split.x)
            order = BucketedSampler(split.x.lengths, self.seed, True, size, self.bucket)
        return SequenceMinibatches(split, *self.division(order), self.shard)

    def val_dataloader(self) -> SequenceMinibatches:
        """The validation sequences in large batches."""
        return self._evaluation(self.splits["val"])

    def test_dataloader(self) -> SequenceMinibatches:
        """The test sequences in large batches."""
        return self._evaluation(self.splits["test"])

    def _evaluation(self, split: SequenceSplit) -> SequenceMinibatches:
        order = BucketedSampler(split.x.lengths, self.seed, False, self.eval_batch_size, 1)
        return SequenceMinibatches(split, self.eval_batch_size, order)
