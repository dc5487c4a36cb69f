"""What is said of draws, against draws whose worth is known."""

import numpy as np
import pytest
import torch

from dlpipe import DlpipeError
from dlpipe_hmc.diagnostics import convergence, moment_errors, thinned


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_moment_errors_are_the_largest_of_any_entry():
    draws = noise(50, 3, 2)
    rows = draws.reshape(-1, 2).double().numpy()
    mean, covariance = torch.tensor([0.1, -0.3]), torch.tensor([[1.0, 0.2], [0.2, 2.0]])
    errors = moment_errors(draws, mean, covariance)
    assert errors["mean_error"] == pytest.approx(np.abs(rows.mean(0) - mean.numpy()).max(), rel=1e-6)
    assert errors["covariance_error"] == pytest.approx(np.abs(np.cov(rows.T) - covariance.numpy()).max(), rel=1e-6)


def test_moments_that_are_not_known_have_no_error():
    assert moment_errors(noise(10, 2, 3), None, None) == {}
    assert list(moment_errors(noise(10, 2, 3), torch.zeros(3), None)) == ["mean_error"]


def test_a_single_coordinate_has_a_covariance_too():
    assert moment_errors(noise(1000, 2, 1), None, torch.ones(1, 1))["covariance_error"] < 0.2


def test_independent_draws_are_worth_their_number():
    found = convergence(noise(1000, 4, 3))
    assert found["ess"] == pytest.approx(4000, rel=0.15)
    assert found["rhat"] == pytest.approx(1, abs=0.005)


def test_draws_that_follow_each_other_are_worth_less():
    # of x' = r x + noise each is worth (1 - r) / (1 + r)
    steps, r = noise(4000, 4, 1).double(), 0.8
    draws = torch.zeros_like(steps)
    draws[0] = steps[0] / (1 - r**2) ** 0.5
    for t in range(1, len(steps)):
        draws[t] = r * draws[t - 1] + steps[t]
    assert convergence(draws)["ess"] == pytest.approx(16_000 * (1 - r) / (1 + r), rel=0.2)


def test_the_worst_coordinate_is_told():
    draws = noise(500, 4, 2)
    draws[:, 0, 1] += 3  # one chain is elsewhere
    found = convergence(draws)
    assert found["rhat"] > 1.3
    assert found["ess"] < 20


def test_one_chain_has_no_rhat():
    assert list(convergence(noise(100, 1, 2))) == ["ess"]


@pytest.mark.parametrize("chains", [1, 3])
def test_chains_that_never_moved_are_worth_nothing(chains):
    for start in (torch.zeros(1, chains, 2), noise(1, chains, 2)):
        found = convergence(start.expand(100, chains, 2))
        assert np.isnan(found.pop("ess"))
        assert not any(rhat < 1e6 for rhat in found.values())


def test_a_chain_that_never_moved_beside_others_that_did_is_no_worth_to_speak_of():
    draws = noise(100, 3, 2)
    draws[:, 1, 0] = draws[0, 1, 0]
    assert np.isnan(convergence(draws)["ess"])


def test_samples_are_evenly_spaced_along_chain_after_chain():
    # the value says draw and chain: 10 * chain + draw
    draws = torch.tensor([[[10 * chain + draw] for chain in range(3)] for draw in range(4)])
    assert thinned(draws, 12).flatten().tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert thinned(draws, 6).flatten().tolist() == [0, 2, 10, 12, 20, 22]
    assert thinned(draws, 3).flatten().tolist() == [0, 10, 20]


@pytest.mark.parametrize("count", [0, 13])
def test_more_samples_than_draws_are_refused(count):
    message = (
        rf"{count} samples were asked for, and 3 chains of 4 draws have 12; ask for at most so many \(-n 12\), or run"
    )
    with pytest.raises(DlpipeError, match=message):
        thinned(noise(4, 3, 2), count)


def test_samples_before_the_first_draw_are_refused():
    with pytest.raises(DlpipeError, match="the run has no draws yet: its burn-in is not over"):
        thinned(noise(0, 3, 2), 1)
