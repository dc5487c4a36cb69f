"""Energies against densities written down by other means, gradients, and known moments."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from dlpipe_hmc.energies.banana import Banana
from dlpipe_hmc.energies.funnel import Funnel
from dlpipe_hmc.energies.gaussian import Gaussian
from dlpipe_hmc.energies.gaussian_rbm import GaussianRBM
from dlpipe_hmc.energies.tutorial_gaussian import tutorial_gaussian

pytestmark = pytest.mark.usefixtures("double")


def same_up_to_a_constant(energies, log_densities):
    constants = energies + log_densities
    torch.testing.assert_close(constants, constants[:1].expand_as(constants), rtol=0, atol=1e-11)


def points(dim, count=20):
    return 2 * torch.randn(count, dim, generator=torch.Generator().manual_seed(2))


def test_the_gradient_is_that_of_the_energy(density):
    x = density.draw(6, torch.Generator().manual_seed(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: density.energy(x).sum(), x)
    (by_autograd,) = torch.autograd.grad(density.energy(x).sum(), x)
    torch.testing.assert_close(density.energy.gradient(x), by_autograd, rtol=1e-12, atol=1e-12)


def test_chains_do_not_see_each_other(density):
    x = density.draw(6, torch.Generator().manual_seed(4))
    torch.testing.assert_close(density.energy(x)[3:4], density.energy(x[3:4]), rtol=1e-13, atol=1e-13)


def test_the_known_moments_are_those_of_exact_draws(density):
    energy, count = density.energy, 400_000
    x = density.draw(count, torch.Generator().manual_seed(8))
    assert ((x.mean(0) - energy.mean).abs() < 5 * x.std(0) / count**0.5).all()
    away = x - energy.mean
    products = away[:, :, None] * away[:, None, :]
    if isinstance(energy, Funnel):  # the others' fourth moments are too large to estimate; quadrature below is for them
        products = products[:, :1, :1]
    errors = products.std(0) / count**0.5
    assert ((products.mean(0) - energy.covariance[: errors.shape[0], : errors.shape[1]]).abs() < 5 * errors).all()


def test_the_tutorials_target_is_the_published_one():
    energy = tutorial_gaussian()
    assert [f"{value:.8f}" for value in energy.mean] == [
        "6.96469186",
        "2.86139335",
        "2.26851454",
        "5.51314769",
        "7.19468970",
    ]
    published = [
        [1.0, 0.66197111, 0.71141257, 0.55766643, 0.35753822],
        [0.66197111, 1.0, 0.31053199, 0.45455485, 0.37991646],
        [0.71141257, 0.31053199, 1.0, 0.62800335, 0.38004541],
        [0.55766643, 0.45455485, 0.62800335, 1.0, 0.50807871],
        [0.35753822, 0.37991646, 0.38004541, 0.50807871, 1.0],
    ]
    torch.testing.assert_close(energy.covariance, torch.tensor(published), rtol=0, atol=5e-9)
    assert float(torch.linalg.eigvalsh(energy.covariance)[0]) == pytest.approx(0.152, abs=5e-4)


def test_the_gaussian_is_torchs():
    energy = tutorial_gaussian()
    x = points(5)
    same_up_to_a_constant(energy(x), MultivariateNormal(energy.mean, energy.covariance).log_prob(x))


@pytest.mark.parametrize(("dim", "smallest"), [(10, "-0.3475"), (8, "-0.1057")])
def test_what_is_the_covariance_of_no_distribution_is_refused(dim, smallest):
    with pytest.raises(ValueError, match=rf"\({dim}, {dim}\) is not positive definite.*eigenvalue is {smallest}; give"):
        tutorial_gaussian(dim)


def test_the_largest_target_of_the_tutorials_kind():
    assert tutorial_gaussian(7).dim == 7


def test_a_covariance_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"has the shape \(2, 2\); a mean of 3 needs \(3, 3\)"):
        Gaussian([0, 0, 0], [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    "covariance", [[[0.1, 0.3], [0.3, 0.9]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0, 1.0]] * 3, [[1.0, 2.0], [2.0, 1.0]]]
)
def test_a_singular_covariance_is_refused_whatever_rounding_makes_of_its_zeros(covariance):
    with pytest.raises(ValueError, match="is not positive definite"):
        Gaussian([0.0] * len(covariance), covariance)


def test_a_covariance_of_a_narrow_density_is_taken():
    assert Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1e-12]]).dim == 2


@pytest.mark.parametrize("entry", [math.inf, -math.inf, math.nan])
def test_an_entry_of_the_covariance_that_is_no_finite_number_is_told_as_what_it_is(entry):
    with pytest.raises(ValueError, match=f"covariance has an entry {entry}; all of its entries must be finite"):
        Gaussian([0, 0], [[1, 0], [0, entry]])


def test_a_covariance_that_is_not_symmetric_is_refused():
    with pytest.raises(ValueError, match=r"not symmetric: an entry is 0\.3 from the one across"):
        Gaussian([0, 0], [[1, 0.5], [0.2, 1]])


@pytest.mark.parametrize("s", [0.5, 1.5])
def test_the_banana_is_two_normal_densities(s):
    x = points(2)
    log_densities = Normal(0, s).log_prob(x[:, 0]) + Normal(0.2 * (x[:, 0] ** 2 - s**2), 1).log_prob(x[:, 1])
    same_up_to_a_constant(Banana(deviation=s, bend=0.2)(x), log_densities)


def test_a_banana_without_width_is_refused():
    with pytest.raises(ValueError, match="deviation=0: must be greater than 0"):
        Banana(deviation=0)


def test_the_funnel_is_neals():
    x = points(4)
    log_densities = Normal(0, 3).log_prob(x[:, 0]) + Normal(0, torch.exp(x[:, :1] / 2)).log_prob(x[:, 1:]).sum(1)
    same_up_to_a_constant(Funnel(dim=4)(x), log_densities)


def test_the_funnels_spread_is_the_mean_of_a_log_normal():
    # by quadrature of e^v over N(0, 9)
    v = torch.linspace(-40, 60, 200_001)
    expected = torch.trapezoid(torch.exp(v) * Normal(0, 3).log_prob(v).exp(), v)
    assert float(Funnel(dim=3).covariance[1, 1]) == pytest.approx(float(expected), rel=1e-9)


def test_a_funnel_of_one_coordinate_is_refused():
    with pytest.raises(ValueError, match="dim=1: must be at least 2"):
        Funnel(dim=1)


RBM = {
    "weight": [[1.0, -0.5], [0.3, 2.0], [-1.2, 0.1]],
    "visible_bias": [0.5, 0.0, -1.0],
    "hidden_bias": [-0.3, 0.8],
}


def test_the_free_energy_sums_over_the_hidden_states():
    w, b, c = (torch.tensor(RBM[name]) for name in ("weight", "visible_bias", "hidden_bias"))
    v = points(3)
    joint = [
        0.5 * (v - b).square().sum(1) - c @ h - v @ w @ h
        for h in (torch.tensor([i, j]) for i in (0.0, 1.0) for j in (0.0, 1.0))
    ]
    expected = -torch.logsumexp(-torch.stack(joint), 0)
    torch.testing.assert_close(GaussianRBM(**RBM)(v), expected, rtol=1e-13, atol=1e-13)


def test_the_rbms_moments_are_those_of_its_density():
    # of two visible units, by quadrature of exp(-F)
    energy = GaussianRBM(weight=RBM["weight"][:2], visible_bias=[0.5, 0.0], hidden_bias=RBM["hidden_bias"])
    line = torch.linspace(-9, 11, 401)
    v = torch.cartesian_prod(line, line)
    shares = torch.softmax(-energy(v), 0)
    mean = shares @ v
    torch.testing.assert_close(mean, energy.mean, rtol=1e-10, atol=1e-10)
    covariance = (shares[:, None] * (v - mean)).T @ (v - mean)
    torch.testing.assert_close(covariance, energy.covariance, rtol=1e-10, atol=1e-10)


def test_the_default_rbm_is_always_the_same():
    state = torch.get_rng_state()
    assert torch.equal(GaussianRBM().weight, GaussianRBM().weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_moments_of_an_rbm_with_many_hidden_units_are_not_known():
    energy = GaussianRBM(weight=torch.zeros(2, 13).tolist())
    assert energy.mean is energy.covariance is None
    assert math.isclose(float(energy(torch.zeros(1, 2))), -13 * math.log(2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": [1.0, 2.0]}, r"weight has the shape \(2,\); wanted is \(visible units, hidden units\)"),
        ({"visible_bias": [0.0]}, r"visible_bias has the shape \(1,\); the weight needs \(4,\)"),
        ({"hidden_bias": [0.0] * 4}, r"hidden_bias has the shape \(4,\); the weight needs \(3,\)"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        GaussianRBM(**wrong)
