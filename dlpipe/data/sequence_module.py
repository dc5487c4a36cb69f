"""The base of datasets of sequences."""

from abc import abstractmethod

import torch

from dlpipe.data.in_memory_module import InMemoryDataModule, NotNegative, Positive
from dlpipe.data.minibatches import EpochSampler, SplitName
from dlpipe.data.ragged import Ragged
from dlpipe.data.sequence_batches import BucketedSampler, SequenceMinibatches, SequenceSplit
from dlpipe.errors import DataError


class SequenceDataModule(InMemoryDataModule):
    """Three splits of sequences on the device; a subclass reads them in `load_splits`.

    Training uses minibatches of ``batch_size`` sequences of similar lengths, padded; evaluation uses every sequence,
    sorted by length, in batches of ``eval_batch_size``.

    Args:
        batch_size: sequences in a training minibatch; None for all of them.
        shuffle: whether each epoch has its own order, a function of (seed, epoch); otherwise the original order.
        drop_last: whether training leaves out a last minibatch that is not full.
        bucket: minibatches in a bucket, whose sequences are sorted by length if ``shuffle``; 1 for no sorting.
        eval_batch_size: sequences in an evaluation batch; has no effect on the numbers.
        seed: seed of the order.
    """

    splits: dict[SplitName, SequenceSplit]

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

    @abstractmethod
    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Read train, val and test."""

    def check_split(self, name: SplitName, split: SequenceSplit) -> None:
        """Check the number of sequences, their lengths, and that the labels match them.

        Raises:
            DataError: there are too few sequences, one is empty, or sequences and labels differ in number or length.
        """
        x, y = split
        self.check_num_examples(name, len(x), self.drop_last and name == "train")
        if len(x) != len(y):
            raise DataError(f"{name} has {len(x)} sequences but {len(y)} labels")
        lengths = x.lengths
        if not int(lengths.min()):
            raise DataError(f"{name} has an empty sequence, number {int(lengths.argmin())} from 0; leave it out")
        if isinstance(y, Ragged) and not torch.equal(lengths, y.lengths):
            row = int((lengths != y.lengths).nonzero()[0])
            counts = f"{int(lengths[row])} steps but {int(y.lengths[row])} labels"
            raise DataError(f"{name}: sequence number {row} from 0 has {counts}")

    def move_splits(self, splits: dict[SplitName, SequenceSplit]) -> dict[SplitName, SequenceSplit]:
        """The splits on the device."""
        return {name: split.to(self.device) for name, split in splits.items()}

    def train_dataloader(self) -> SequenceMinibatches:
        """Minibatches (x, y, lengths) in the epoch's order, ``batch_size`` sequences for each rank."""
        split = self.splits["train"]
        sampler = EpochSampler(len(split.x), self.seed, shuffle=False)
        if self.shuffle:
            size = self.global_batch_size if self.batch_size else len(split.x)
            sampler = BucketedSampler(split.x.lengths, self.seed, True, size, self.bucket)
        return SequenceMinibatches(split, **self.loader_arguments(sampler))

    def predict_dataloader(self) -> SequenceMinibatches:
        """The test sequences in the original order, in batches of ``eval_batch_size``."""
        split = self.splits["test"]
        return SequenceMinibatches(split, self.eval_batch_size, EpochSampler(len(split.x), self.seed, shuffle=False))

    def evaluation_batches(self, split: SequenceSplit) -> SequenceMinibatches:
        """All sequences, sorted by length."""
        sampler = BucketedSampler(split.x.lengths, self.seed, False, self.eval_batch_size, 1)
        return SequenceMinibatches(split, self.eval_batch_size, sampler)
