"""The pseudo-likelihood against conditional probabilities of a machine that is enumerated."""

import math

import pytest
import torch
import torch.nn.functional as F

from dlpipe_boltzmann.energy import Parameters, free_energy
from dlpipe_boltzmann.exact import all_states
from dlpipe_boltzmann.pseudo_likelihood import pseudo_likelihood, stochastic_pseudo_likelihood


@pytest.fixture
def conditional(joint):
    """log p(v_i | all other visible units), from the table of all states."""

    def log_of(v, i):
        def marginal(state):
            return sum(weight for (visible, _), weight in joint.items() if visible == state)

        flipped = tuple(1 - value if k == i else value for k, value in enumerate(v))
        return math.log(marginal(v) / (marginal(v) + marginal(flipped)))

    return log_of


@pytest.fixture
def random_machine(generator):
    """12 x 5 and eight binary examples."""
    W, b, c = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in [(12, 5), (12,), (5,)])
    v = torch.randint(2, (8, 12), generator=generator).double()
    return Parameters(W, b, c), v


def test_pseudo_likelihood_is_the_sum_of_log_conditionals(tiny, conditional):
    states = all_states(3, torch.float64)
    wanted = [sum(conditional(tuple(v), i) for i in range(3)) for v in states.tolist()]
    assert pseudo_likelihood(tiny, states).tolist() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("bit", range(3))
def test_one_bit_is_its_log_conditional_times_their_number(tiny, conditional, bit):
    states = all_states(3, torch.float64)
    wanted = [3 * conditional(tuple(v), bit) for v in states.tolist()]
    found = stochastic_pseudo_likelihood(tiny, states, torch.tensor([bit]))
    assert found.tolist() == pytest.approx(wanted, rel=1e-12)


def test_one_bit_is_the_tutorials_difference_of_free_energies(random_machine):
    machine, v = random_machine
    flipped = v.clone()
    flipped[:, 7] = 1 - flipped[:, 7]
    wanted = 12 * F.logsigmoid(free_energy(machine, flipped) - free_energy(machine, v))
    found = stochastic_pseudo_likelihood(machine, v, torch.tensor([7]))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_each_example_may_have_a_bit_of_its_own(random_machine):
    machine, v = random_machine
    bits = torch.tensor([0, 3, 11, 3, 5, 7, 1, 2])
    one_by_one = [stochastic_pseudo_likelihood(machine, v[n : n + 1], bits[n : n + 1]) for n in range(8)]
    found = stochastic_pseudo_likelihood(machine, v, bits)
    torch.testing.assert_close(found, torch.cat(one_by_one), rtol=1e-12, atol=1e-12)


def test_the_mean_over_bits_is_the_pseudo_likelihood(random_machine):
    machine, v = random_machine
    bits = [stochastic_pseudo_likelihood(machine, v, torch.tensor([i])) for i in range(12)]
    torch.testing.assert_close(pseudo_likelihood(machine, v), torch.stack(bits).mean(0), rtol=1e-12, atol=1e-12)


def test_without_weights_it_is_the_log_likelihood_of_independent_units(generator):
    b = torch.randn(6, generator=generator, dtype=torch.float64)
    machine = Parameters(torch.zeros(6, 2, dtype=torch.float64), b, torch.ones(2, dtype=torch.float64))
    v = torch.randint(2, (4, 6), generator=generator).double()
    wanted = -F.binary_cross_entropy_with_logits(b.expand(4, 6), v, reduction="none").sum(1)
    torch.testing.assert_close(pseudo_likelihood(machine, v), wanted, rtol=1e-12, atol=1e-12)


def test_a_hopeless_bit_is_finite():
    machine = Parameters(torch.zeros(1, 1), torch.tensor([-300.0]), torch.zeros(1))
    assert pseudo_likelihood(machine, torch.ones(1, 1)).tolist() == [-300]


def test_biases_of_each_example_are_their_own(random_machine, generator):
    (W, _, _), v = random_machine
    b, c = (torch.randn(8, n, generator=generator, dtype=torch.float64) for n in (12, 5))
    one_by_one = [pseudo_likelihood(Parameters(W, b[n], c[n]), v[n : n + 1]) for n in range(8)]
    torch.testing.assert_close(pseudo_likelihood(Parameters(W, b, c), v), torch.cat(one_by_one), rtol=1e-12, atol=0)
