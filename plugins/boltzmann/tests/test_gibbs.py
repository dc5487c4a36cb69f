"""Gibbs sampling against the exact distribution of a machine that can be enumerated."""

import pytest
import torch

from dlpipe_boltzmann.energy import Parameters, hidden_mean, visible_mean, visible_preactivation
from dlpipe_boltzmann.exact import all_states
from dlpipe_boltzmann.gibbs import run_chain, sample_hidden, sample_units, sample_visible

COUNT = 200_000


def counts_of(v, h):
    """How often each of the 32 states occurs."""
    digits = torch.cat([v, h], 1) @ (2.0 ** torch.arange(4, -1, -1, dtype=torch.float64))
    return torch.bincount(digits.long(), minlength=32)


@pytest.fixture
def assert_exact(joint):
    """A function that holds counts of states against the exact probabilities, within 5 standard errors."""
    weights = torch.tensor(list(joint.values()), dtype=torch.float64)
    p = weights / weights.sum()

    def check(v, h):
        assert len(v) == COUNT
        error = (COUNT * p * (1 - p)).sqrt()
        assert ((counts_of(v, h) - COUNT * p).abs() < 5 * error).all()

    return check


def test_the_exact_distribution_is_drawn_as_it_is(draw_joint, generator, assert_exact):
    assert_exact(*draw_joint(COUNT, generator))


def test_a_step_leaves_the_model_distribution_unchanged(tiny, draw_joint, generator, assert_exact):
    _, h = draw_joint(COUNT, generator)
    end = run_chain(tiny, h, 1, generator)
    assert_exact(end.v, sample_hidden(tiny, end.v, generator))


def test_a_long_chain_leaves_the_model_distribution_unchanged(tiny, draw_joint, generator, assert_exact):
    _, h = draw_joint(COUNT, generator)
    end = run_chain(tiny, h, 4, generator)
    assert_exact(end.v, sample_hidden(tiny, end.v, generator))


def test_a_long_chain_reaches_the_model_distribution_from_one_state(tiny, generator, assert_exact):
    end = run_chain(tiny, torch.zeros(COUNT, 2, dtype=torch.float64), 100, generator)
    assert_exact(end.v, sample_hidden(tiny, end.v, generator))


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_a_chain_makes_as_many_steps_as_are_asked_for(tiny, num_steps, generator):
    slow = Parameters(2.5 * tiny.W, tiny.b, tiny.c)
    begin = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    wanted = exact_transitions(slow, begin, num_steps)
    end = run_chain(slow, begin.expand(COUNT, -1), num_steps, generator)
    found = torch.bincount((end.v @ torch.tensor([4.0, 2, 1], dtype=torch.float64)).long(), minlength=8) / COUNT
    assert ((found - wanted).abs() < 5 * (wanted * (1 - wanted) / COUNT).sqrt()).all()


def exact_transitions(machine, h, num_steps):
    """Probabilities of the eight visible states after so many steps from h, by multiplying matrices."""

    def probabilities(mean, states):
        return (states * mean.unsqueeze(1) + (1 - states) * (1 - mean).unsqueeze(1)).prod(2)

    visible, hidden = all_states(3, torch.float64), all_states(2, torch.float64)
    up, down = (
        probabilities(hidden_mean(machine, visible), hidden),
        probabilities(visible_mean(machine, hidden), visible),
    )
    found = probabilities(visible_mean(machine, h), visible)
    for _ in range(num_steps - 1):
        found = found @ up @ down
    return found[0]


def test_hidden_units_are_ones_as_often_as_their_means_say(tiny, generator):
    v = torch.tensor([[0.2, 0.9, 0.5]], dtype=torch.float64)
    mean = hidden_mean(tiny, v)
    h = sample_hidden(tiny, v.expand(COUNT, -1), generator)
    assert ((h.mean(0) - mean).abs() < 5 * (mean * (1 - mean) / COUNT).sqrt()).all()


def test_visible_units_are_ones_as_often_as_their_means_say(tiny, generator):
    h = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    mean = visible_mean(tiny, h)
    v = sample_visible(tiny, h.expand(COUNT, -1), generator)
    assert ((v.mean(0) - mean).abs() < 5 * (mean * (1 - mean) / COUNT).sqrt()).all()


def test_units_are_drawn_independently(generator):
    h = sample_units(torch.zeros(COUNT, 2, dtype=torch.float64), generator)
    both = h.prod(1).mean()
    assert abs(both - 0.25) < 5 * (0.25 * 0.75 / COUNT) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_are_zeros_and_ones_of_the_dtype_that_was_given(dtype, generator):
    sample = sample_units(torch.randn(50, 40, generator=generator, dtype=dtype), generator)
    assert sample.dtype == dtype
    assert sample.unique().tolist() == [0, 1]


def test_sure_units_are_surely_drawn():
    assert sample_units(torch.tensor([-200.0, 200.0]).expand(1000, 2)).sum(0).tolist() == [0, 1000]


def test_the_last_means_are_those_that_the_last_sample_was_drawn_from(tiny):
    h = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    end = run_chain(tiny, h, 1)
    torch.testing.assert_close(end.preactivation, visible_preactivation(tiny, h))


def test_the_same_generator_gives_the_same_chain(tiny):
    h = torch.zeros(50, 2, dtype=torch.float64)
    first, second = (run_chain(tiny, h, 7, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.v, second.v)


def test_nothing_is_differentiated_through_a_chain(tiny):
    machine = Parameters(*(value.clone().requires_grad_() for value in tiny))
    end = run_chain(machine, torch.zeros(5, 2, dtype=torch.float64), 2)
    assert not end.v.requires_grad
    assert not end.preactivation.requires_grad


def test_a_chain_of_no_steps_is_refused(tiny):
    with pytest.raises(ValueError, match="num_steps=0: a chain has at least one step"):
        run_chain(tiny, torch.zeros(1, 2, dtype=torch.float64), 0)


def test_each_example_has_a_bias_of_its_own(tiny, generator):
    b = torch.tensor([[200.0, -200, 200], [-200, 200, -200]], dtype=torch.float64)
    c = torch.tensor([[200.0, -200], [-200, 200]], dtype=torch.float64)
    end = run_chain(Parameters(tiny.W, b, c), torch.zeros(2, 2, dtype=torch.float64), 3, generator)
    assert end.v.tolist() == [[1, 0, 1], [0, 1, 0]]
