"""Samples from stacks of machines against sums over all states."""

import pytest
import torch

from dlpipe_boltzmann.energy import Parameters, hidden_mean, visible_mean
from dlpipe_boltzmann.exact import all_states, log_likelihood
from dlpipe_boltzmann.sampling import sample_stack

CHAINS = 50_000


@pytest.fixture
def upper():
    """A machine on the two hidden units of the tiny one, in which they depend on each other strongly."""
    W = torch.tensor([[3.0, -2.0], [3.0, 1.5]], dtype=torch.float64)
    return Parameters(
        W, torch.tensor([-2.0, -1.5], dtype=torch.float64), torch.tensor([-1.0, 0.5], dtype=torch.float64)
    )


def mean_of_visible(machine):
    states = all_states(len(machine.b), torch.float64)
    return log_likelihood(machine, states).exp() @ states


def assert_mean(rows, wanted):
    error = rows.std(0) / CHAINS**0.5
    assert ((rows.mean(0) - wanted).abs() < 5 * error).all()


def test_a_machine_alone_is_sampled_from_its_distribution(tiny):
    torch.manual_seed(0)
    (rows,) = sample_stack([tiny], torch.ones(CHAINS, 3, dtype=torch.float64), 1, 50)
    assert_mean(rows, mean_of_visible(tiny))


def test_a_stack_is_sampled_from_its_top_downwards(tiny, upper):
    top = Parameters(-upper.W.t(), upper.c, upper.b)
    torch.manual_seed(0)
    (rows,) = sample_stack([tiny, upper, top], torch.ones(CHAINS, 3, dtype=torch.float64), 1, 50)
    states = all_states(2, torch.float64)
    of_top, means = log_likelihood(top, states).exp(), visible_mean(upper, states)
    of_lowest = of_top @ (states * means.unsqueeze(1) + (1 - states) * (1 - means).unsqueeze(1)).prod(2)
    wanted = of_lowest @ visible_mean(tiny, states)
    assert_mean(rows, wanted)
    # means passed downwards in place of samples, from the top or through the middle, would give something else
    error = 5 * rows.std(0) / CHAINS**0.5
    for passed in (of_top @ visible_mean(tiny, means), visible_mean(tiny, (of_top @ means)[None])[0]):
        assert ((passed - wanted).abs() > 2 * error).any()


def test_a_chain_begins_at_the_data(tiny):
    # hidden units without noise: the first row is the mean given the hidden means of the data
    sharp = Parameters(1000 * tiny.W, tiny.b, tiny.c)
    x = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    (rows,) = sample_stack([sharp], x, 1, 1)
    torch.testing.assert_close(rows, visible_mean(sharp, hidden_mean(sharp, x)))


def test_data_goes_up_through_the_means(tiny, upper):
    sharp = Parameters(1000 * upper.W, upper.b, upper.c)
    x = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    (rows,) = sample_stack([tiny, sharp], x, 1, 1)
    codes = visible_mean(sharp, hidden_mean(sharp, hidden_mean(tiny, x)))
    torch.testing.assert_close(rows, visible_mean(tiny, codes))


def test_rows_are_read_along_one_chain(tiny):
    torch.manual_seed(0)
    rows = sample_stack([tiny], torch.zeros(4, 3, dtype=torch.float64), 5, 2)
    assert rows.shape == (5, 4, 3)
    torch.manual_seed(0)
    assert torch.equal(rows[:2], sample_stack([tiny], torch.zeros(4, 3, dtype=torch.float64), 2, 2))


def test_what_is_shown_does_not_go_back_into_the_chain(tiny, upper):
    torch.manual_seed(0)
    frozen = Parameters(0 * tiny.W, 1000 + tiny.b, tiny.c)  # shows ones alone
    rows = sample_stack([frozen, upper], torch.zeros(CHAINS, 3, dtype=torch.float64), 30, 1)
    assert rows.min() == 1
    top = sample_stack([upper], torch.full((CHAINS, 2), 0.5, dtype=torch.float64), 30, 1)[-1]
    assert_mean(top, mean_of_visible(upper))
