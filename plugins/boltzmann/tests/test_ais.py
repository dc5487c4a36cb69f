"""Annealed importance sampling against enumeration."""

import math

import pytest
import torch

from dlpipe_boltzmann.ais import estimate_log_partition
from dlpipe_boltzmann.energy import Parameters
from dlpipe_boltzmann.exact import log_partition


@pytest.fixture
def machine():
    """20 x 10, with weights that make its units depend on each other strongly."""
    generator = torch.Generator().manual_seed(0)
    W, b, c = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in [(20, 10), (20,), (10,)])
    return Parameters(W, b, c)


def assert_within_error(found, exact):
    assert abs(found.value - exact) < 5 * found.standard_error
    assert found.standard_error < 0.1


def test_the_estimate_is_within_its_error_of_the_exact_value(machine, generator):
    found = estimate_log_partition(machine, 500, 500, generator=generator)
    exact = float(log_partition(machine))
    assert abs(exact - independent(machine)) > 1  # there is something to be estimated
    assert_within_error(found, exact)


def test_another_base_gives_the_same_value(machine, generator):
    found = estimate_log_partition(machine, 500, 500, torch.zeros(20, dtype=torch.float64), generator)
    assert_within_error(found, float(log_partition(machine)))


def independent(machine):
    """log Z of the machine with the same biases and no weights."""
    return float(log_partition(machine._replace(W=torch.zeros_like(machine.W))))


@pytest.mark.parametrize("num_temperatures", [1, 2, 10])
def test_z_is_unbiased_with_few_temperatures_too(tiny, num_temperatures, generator):
    found = estimate_log_partition(tiny, 100_000, num_temperatures, generator=generator)
    assert_within_error(found, float(log_partition(tiny)))


def test_the_standard_error_is_the_spread_of_repeated_estimates(tiny, generator):
    runs = [estimate_log_partition(tiny, 200, 3, generator=generator) for _ in range(400)]
    spread = torch.tensor([run.value for run in runs], dtype=torch.float64).std()
    reported = torch.tensor([run.standard_error for run in runs], dtype=torch.float64).mean()
    # the relative standard error of a standard deviation is 1 / sqrt(2 n)
    assert abs(spread / reported - 1) < 5 / math.sqrt(2 * 400)


def test_without_weights_the_estimate_is_exact(generator):
    machine = Parameters(torch.zeros(5, 3), torch.linspace(-1, 1, 5), torch.zeros(3))
    found = estimate_log_partition(machine, 10, 10, generator=generator)
    assert found.value == pytest.approx(float(log_partition(machine)), rel=1e-6)
    assert found.standard_error == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("num_chains", "num_temperatures"), [(1, 10), (10, 0)])
def test_too_few_chains_or_temperatures_are_refused(tiny, num_chains, num_temperatures):
    message = f"num_chains={num_chains}, num_temperatures={num_temperatures}: a standard error needs two chains"
    with pytest.raises(ValueError, match=message):
        estimate_log_partition(tiny, num_chains, num_temperatures)
