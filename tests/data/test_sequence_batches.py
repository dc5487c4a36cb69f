"""Minibatches of like lengths: every sequence once, the order a function of (seed, epoch), divided among ranks."""

import pytest
import torch

from dlpipe.data import Ragged, SequenceSplit
from dlpipe.data.minibatches import SINGLE_PROCESS, EpochSampler, Shard
from dlpipe.data.sequence_batches import BucketedSampler, SequenceMinibatches

LENGTHS = torch.randint(1, 50, (203,), generator=torch.Generator().manual_seed(0))


def order(bucket, seed=1, epoch=0, shuffle=True, batch_size=10):
    made = BucketedSampler(LENGTHS, seed, shuffle, batch_size, bucket)
    made.set_epoch(epoch)
    return made


def padding(rows):
    """How much of the minibatches of 10 is padding."""
    whole = LENGTHS[rows[:200]].reshape(-1, 10)
    return 1 - float(whole.sum() / (whole.max(1).values * 10).sum())


@pytest.mark.parametrize("bucket", [1, 3, 7, 100])
def test_every_sequence_comes_once(bucket):
    rows = order(bucket).permutation()
    assert rows.sort().values.equal(torch.arange(203))


def test_the_larger_the_bucket_the_less_is_padding():
    shares = [padding(order(bucket).permutation()) for bucket in (1, 3, 20)]
    assert shares[0] > 0.4
    assert shares[0] > 1.5 * shares[1] > 3 * shares[2]


def test_the_order_is_a_function_of_seed_and_epoch():
    assert order(5).permutation().equal(order(5).permutation())
    assert not order(5).permutation().equal(order(5, epoch=1).permutation())
    assert not order(5).permutation().equal(order(5, seed=2).permutation())


def test_minibatches_do_not_come_in_the_order_of_lengths():
    longest = LENGTHS[order(100).permutation()[:200]].reshape(-1, 10).max(1).values
    assert not longest.equal(longest.sort().values)


def test_without_shuffling_sequences_are_sorted():
    lengths = LENGTHS[order(1, shuffle=False).permutation()]
    assert lengths.equal(LENGTHS.sort().values)


@pytest.fixture
def split():
    """Every entry is the number of its sequence."""
    x = Ragged.of([torch.full((int(n),), row) for row, n in enumerate(LENGTHS)], padding_value=-1)
    return SequenceSplit(x, torch.arange(203))


def test_a_minibatch_is_its_sequences_with_their_lengths(split):
    seen = []
    for x, y, lengths in SequenceMinibatches(split, 10, order(5)):
        assert lengths.equal(LENGTHS[y])
        assert x.shape == (len(y), int(lengths.max()))
        for row, own, length in zip(x, y, lengths, strict=True):
            assert (row[:length] == own).all()
            assert (row[length:] == -1).all()
        seen += y.tolist()
    assert sorted(seen) == list(range(203))


def test_labels_of_entries_are_padded_too(split):
    batches = SequenceMinibatches(SequenceSplit(split.x, split.x), 10, EpochSampler(203, 1, shuffle=False))
    assert all(x.equal(y) for x, y, _ in batches)


def test_ranks_divide_a_minibatch(split):
    ranks = [SequenceMinibatches(split, 5, order(5), shard=Shard(rank, 2)) for rank in range(2)]
    alone = SequenceMinibatches(split, 10, order(5), shard=SINGLE_PROCESS)
    together = [torch.cat([one.y, other.y]) for one, other in zip(*ranks, strict=True)]
    assert [y.tolist() for y in together] == [y.tolist() for _, y, _ in alone]


def test_an_epoch_is_gone_on_with_where_it_was_left(split):
    whole = [y.tolist() for _, y, _ in SequenceMinibatches(split, 10, order(5))]
    left = SequenceMinibatches(split, 10, order(5))
    left.skip = 7
    assert [y.tolist() for _, y, _ in left] == whole[7:]
