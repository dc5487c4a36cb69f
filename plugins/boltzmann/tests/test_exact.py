"""log Z by enumeration of one layer against the sum over all states of both."""

import math

import pytest
import torch

from dlpipe_boltzmann.energy import Parameters
from dlpipe_boltzmann.exact import all_states, log_likelihood, log_partition


def transposed(machine):
    return Parameters(machine.W.t().contiguous(), machine.c, machine.b)


def test_log_partition_is_log_of_the_sum_over_all_states(tiny, joint):
    assert float(log_partition(tiny)) == pytest.approx(math.log(sum(joint.values())), rel=1e-13)


def test_either_layer_may_be_the_smaller(tiny):
    assert float(log_partition(transposed(tiny))) == pytest.approx(float(log_partition(tiny)), rel=1e-13)


def test_probabilities_sum_to_one(tiny):
    states = all_states(3, torch.float64)
    assert float(log_likelihood(tiny, states).exp().sum()) == pytest.approx(1, rel=1e-13)


def test_log_likelihood_is_log_of_the_share_of_the_state(tiny, joint):
    total = sum(joint.values())
    for v in {v for v, _ in joint}:
        share = sum(weight for (visible, _), weight in joint.items() if visible == v) / total
        found = log_likelihood(tiny, torch.tensor([v], dtype=torch.float64))
        assert found.tolist() == pytest.approx([math.log(share)], rel=1e-12)


def test_without_weights_units_are_independent():
    b, c = torch.linspace(-1, 1, 13, dtype=torch.float64), torch.linspace(-2, 1, 30, dtype=torch.float64)
    found = log_partition(Parameters(torch.zeros(13, 30, dtype=torch.float64), b, c))  # two parts of 4,096 states
    wanted = torch.cat([b, c]).exp().log1p().sum()
    assert float(found) == pytest.approx(float(wanted), rel=1e-13)


def test_all_states_are_the_binary_numbers():
    assert all_states(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert len(all_states(10).unique(dim=0)) == 1024


def test_machines_that_are_too_large_are_refused():
    message = r"a sum over the 2\^21 states of the smaller layer; at most 20 units can be enumerated: use estimate_log"
    with pytest.raises(ValueError, match=message):
        log_partition(Parameters(torch.zeros(30, 21), torch.zeros(30), torch.zeros(21)))
