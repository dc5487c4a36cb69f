"""Bucketed minibatches: every sequence once, in an order that is a function of (seed, epoch), shared by ranks."""

import pytest
import torch

from dlpipe.data import Ragged, SequenceSplit
from dlpipe.data.minibatches import SINGLE_PROCESS, EpochSampler, Shard
from dlpipe.data.sequence_batches import BucketedSampler, SequenceMinibatches

LENGTHS = torch.randint(1, 50, (203,), generator=torch.Generator().manual_seed(0))


def sampler(bucket, seed=1, epoch=0, shuffle=True, batch_size=10):
    made = BucketedSampler(LENGTHS, seed, shuffle, batch_size, bucket)
    made.set_epoch(epoch)
    return made


def padding(rows):
    """The fraction of padding in minibatches of 10."""
    whole = LENGTHS[rows[:200]].reshape(-1, 10)
    return 1 - float(whole.sum() / (whole.max(1).values * 10).sum())


@pytest.mark.parametrize("bucket", [1, 3, 7, 100])
def test_every_sequence_is_visited_once(bucket):
    rows = sampler(bucket).permutation()
    assert rows.sort().values.equal(torch.arange(203))


def test_larger_buckets_need_less_padding():
    shares = [padding(sampler(bucket).permutation()) for bucket in (1, 3, 20)]
    assert shares[0] > 0.4
    assert shares[0] > 1.5 * shares[1] > 3 * shares[2]


def test_the_order_is_a_function_of_seed_and_epoch():
    assert sampler(5).permutation().equal(sampler(5).permutation())
    assert not sampler(5).permutation().equal(sampler(5, epoch=1).permutation())
    assert not sampler(5).permutation().equal(sampler(5, seed=2).permutation())


def test_minibatches_are_not_sorted_by_length():
    longest = LENGTHS[sampler(100).permutation()[:200]].reshape(-1, 10).max(1).values
    assert not longest.equal(longest.sort().values)


def test_without_shuffling_sequences_are_sorted():
    lengths = LENGTHS[sampler(1, shuffle=False).permutation()]
    assert lengths.equal(LENGTHS.sort().values)


@pytest.fixture
def split():
    """Sequences whose elements are the number of the sequence."""
    x = Ragged.of([torch.full((int(n),), row) for row, n in enumerate(LENGTHS)], padding_value=-1)
    return SequenceSplit(x, torch.arange(203))


def test_a_minibatch_has_padded_sequences_and_their_lengths(split):
    seen = []
    for x, y, lengths in SequenceMinibatches(split, 10, sampler(5)):
        assert lengths.equal(LENGTHS[y])
        assert x.shape == (len(y), int(lengths.max()))
        for row, own, length in zip(x, y, lengths, strict=True):
            assert (row[:length] == own).all()
            assert (row[length:] == -1).all()
        seen += y.tolist()
    assert sorted(seen) == list(range(203))


def test_labels_of_time_steps_are_padded_too(split):
    batches = SequenceMinibatches(SequenceSplit(split.x, split.x), 10, EpochSampler(203, 1, shuffle=False))
    assert all(x.equal(y) for x, y, _ in batches)


def test_ranks_share_a_global_minibatch(split):
    ranks = [SequenceMinibatches(split, 5, sampler(5), shard=Shard(rank, 2)) for rank in range(2)]
    alone = SequenceMinibatches(split, 10, sampler(5), shard=SINGLE_PROCESS)
    together = [torch.cat([one.y, other.y]) for one, other in zip(*ranks, strict=True)]
    assert [y.tolist() for y in together] == [y.tolist() for _, y, _ in alone]


def test_a_resumed_epoch_skips_the_minibatches_that_were_trained_on(split):
    all_batches = [y.tolist() for _, y, _ in SequenceMinibatches(split, 10, sampler(5))]
    left = SequenceMinibatches(split, 10, sampler(5))
    left.skip = 7
    assert [y.tolist() for _, y, _ in left] == all_batches[7:]
