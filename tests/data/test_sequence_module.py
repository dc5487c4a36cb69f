"""A dataset of sequences: what it trains on and evaluates, and what it refuses."""

import pytest
import torch

from dlpipe.data import Ragged, SequenceDataModule, SequenceSplit
from dlpipe.errors import DataError

OPTIONS = {"batch_size": 4, "shuffle": True, "drop_last": False, "bucket": 2, "eval_batch_size": 5, "seed": 1}


def split(lengths, labels=None):
    x = Ragged.of([torch.arange(n) for n in lengths])
    return SequenceSplit(x, Ragged.of([torch.arange(n) for n in labels or lengths]))


class Counting(SequenceDataModule):
    """Train, val and test as they are given."""

    def __init__(self, train, val=None, **options):
        super().__init__(**{**OPTIONS, **options})
        self.given = {"train": train, "val": val or split([1]), "test": split([2, 1])}

    def load_splits(self):
        return self.given


def test_all_sequences_are_trained_on_and_evaluated_shortest_first():
    data = Counting(split([3, 1, 2, 5, 4, 6]), split([4, 2, 3]))
    data.setup("fit")
    assert [len(y) for _, y, _ in data.train_dataloader()] == [4, 2]
    assert [lengths.tolist() for _, _, lengths in data.val_dataloader()] == [[2, 3, 4]]


def test_the_whole_set_can_be_one_minibatch_in_the_original_order():
    data = Counting(split([3, 1, 2]), batch_size=None, shuffle=False)
    data.setup("fit")
    assert [lengths.tolist() for _, _, lengths in data.train_dataloader()] == [[3, 1, 2]]


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        (split([1, 0, 2]), {}, "train has an empty sequence, number 1 from 0; leave it out"),
        (split([2, 2], [2, 3]), {}, "train: sequence number 1 from 0 has 2 entries but 3 labels"),
        (SequenceSplit(split([1, 2]).x, torch.zeros(3)), {}, "train has 2 sequences but 3 labels"),
        (split([1, 2]), {"drop_last": True}, "train has 2 examples, fewer than one minibatch of 4"),
    ],
)
def test_what_does_not_fit_is_told(train, options, message):
    with pytest.raises(DataError, match=message):
        Counting(train, **options).setup("fit")
