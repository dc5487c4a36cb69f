"""Masking noise against the binomial distribution."""

import pytest
import torch

from dlpipe_autoencoders.corruption import corrupt

LEVEL = 0.3


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def kept(generator):
    """Of 2,000 examples of 500 ones, which are left."""
    return corrupt(torch.ones(2000, 500, dtype=torch.float64), LEVEL, generator)


def test_an_entry_is_zero_or_as_it_was(generator):
    x = torch.rand(50, 40, generator=generator) + 0.5
    corrupted = corrupt(x, LEVEL, generator)
    assert torch.equal(corrupted, torch.where(corrupted == 0, 0.0, x))
    assert (corrupted == 0).any()


def test_the_share_of_zeros_is_the_level(kept):
    standard_error = (LEVEL * (1 - LEVEL) / kept.numel()) ** 0.5
    assert abs(1 - kept.mean() - LEVEL) < 5 * standard_error


@pytest.mark.parametrize("dim", [0, 1], ids=["examples", "entries"])
def test_what_is_set_to_zero_is_independent_between(kept, dim):
    # sums of independent draws are binomial; those of draws that go together vary more
    sums, count = kept.sum(dim), kept.shape[dim]
    variance = count * LEVEL * (1 - LEVEL)
    standard_error = variance * (2 / (len(sums) - 1)) ** 0.5
    assert abs(sums.var() - variance) < 5 * standard_error


def test_draws_of_one_generator_differ(generator):
    x = torch.ones(20, 20)
    assert not torch.equal(corrupt(x, LEVEL, generator), corrupt(x, LEVEL, generator))


def test_level_zero_leaves_all_as_it_is_and_draws_nothing(generator):
    x, before = torch.rand(4, 3), generator.get_state()
    assert torch.equal(corrupt(x, 0, generator), x)
    assert torch.equal(generator.get_state(), before)


def test_without_a_generator_it_draws_from_that_of_torch():
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(corrupt(torch.ones(10, 10), LEVEL))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_of_numbers_stays(generator, dtype):
    assert corrupt(torch.rand(3, 2, dtype=dtype), LEVEL, generator).dtype == dtype
