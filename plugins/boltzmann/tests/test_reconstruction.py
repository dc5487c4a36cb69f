"""The monitor of CD against its formula."""

import math

import pytest
import torch

from dlpipe_boltzmann.reconstruction import reconstruction_log_likelihood


def test_it_is_the_sum_over_units_and_the_mean_over_examples():
    x = torch.tensor([[1.0, 0.25], [0.0, 1.0]], dtype=torch.float64)
    m = [[0.8, 0.1], [0.5, 0.9]]
    logits = torch.logit(torch.tensor(m, dtype=torch.float64))
    first = math.log(0.8) + 0.25 * math.log(0.1) + 0.75 * math.log(0.9)
    wanted = (first + math.log(0.5) + math.log(0.9)) / 2
    found = reconstruction_log_likelihood(x, logits)
    assert found.shape == ()
    assert float(found) == pytest.approx(wanted, rel=1e-13)


def test_a_perfect_reconstruction_is_zero():
    x = torch.tensor([[1.0, 0.0, 1.0]])
    assert float(reconstruction_log_likelihood(x, 1000 * (2 * x - 1))) == 0


def test_a_hopeless_reconstruction_is_finite():
    assert float(reconstruction_log_likelihood(torch.ones(1, 1), torch.tensor([[-1000.0]]))) == -1000
