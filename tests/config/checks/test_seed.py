"""The checks build the model with the run's seed, so a random start is checked before anything is written."""

import pytest
import torch

import dlpipe

# two samples of N(0, 1) both lie inside for some seeds, and not for others
HALF_PLANE = """
import torch
from dlpipe_hmc.energy import Energy


class HalfPlane(Energy):
    dim = 2

    def __call__(self, positions):
        return positions.sum(1) - (positions + 1).log().sum(1)
"""
OPTIONS = ("model=hmc", "model.energy=half_plane.HalfPlane", "model.num_chains=1", "model.num_burn_in=20")
SHORT = (*OPTIONS, "model.num_draws=20", "hydra.run.dir=run")


@pytest.fixture
def half_plane(install):
    install("dlpipe-half-plane", {}, {"half_plane.py": HALF_PLANE})


def inside(seed):
    return bool((torch.randn(1, 2, generator=torch.Generator().manual_seed(seed)) > -1).all())


GOOD, BAD = (next(seed for seed in range(100) if inside(seed) is wanted) for wanted in (True, False))


@pytest.mark.usefixtures("half_plane")
@pytest.mark.parametrize("drawn_before", [0, 1, 2, 3])
def test_invalid_random_start_is_refused_whatever_was_drawn_before(cli, drawn_before):
    torch.manual_seed(drawn_before)
    result = cli(*SHORT, f"seed={BAD}")
    assert (result.code, result.written) == (2, [])
    assert "energy half_plane.HalfPlane is not finite where chains [0] start" in result.err


@pytest.mark.usefixtures("half_plane")
@pytest.mark.parametrize("drawn_before", [0, 1, 2, 3])
def test_valid_random_start_passes_and_is_the_same_when_the_model_is_rebuilt(cli, drawn_before):
    torch.manual_seed(drawn_before)
    result = cli(*SHORT, f"seed={GOOD}")
    assert result.code == 0, result.err
    assert "could not be drawn" not in result.err
    for seed in range(4):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        assert len(dlpipe.load(result.folder / "run").drawn) == 20
        assert torch.equal(torch.get_rng_state(), before)
