"""Random draws are a function of what they are for, the seed, the rank and the epoch; no two have one stream."""

import itertools

import torch

from dlpipe.training.resume import rng
from dlpipe.training.resume.rng import begin_epoch, seed_rng


def test_no_two_streams_are_the_same():
    seen = []
    for purpose, seed, rank, epoch in itertools.product(range(5), range(3), range(3), range(3)):
        seed_rng(seed, purpose, rank, epoch)
        seen.append(int(torch.randint(2**62, ())))
    assert len(set(seen)) == len(seen)


def test_the_order_of_a_loader_is_independent_of_the_epochs_random_numbers():
    for epoch in range(3):
        loader = type("Loader", (), {"generator": torch.Generator()})()
        begin_epoch(7, epoch, 0, [loader])
        assert not torch.rand(5, generator=loader.generator).equal(torch.rand(5))


def test_the_order_is_the_same_on_all_ranks_and_other_random_numbers_differ():
    orders, drawn = [], []
    for rank in range(2):
        loader = type("Loader", (), {"generator": torch.Generator()})()
        begin_epoch(7, 2, rank, [loader])
        orders.append(torch.rand(5, generator=loader.generator))
        drawn.append(torch.rand(5))
    assert orders[0].equal(orders[1])
    assert not drawn[0].equal(drawn[1])
    assert rng.ORDER not in (rng.EPOCH, rng.TEST)
