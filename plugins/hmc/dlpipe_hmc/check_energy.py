"""Checks that Hamiltonian Monte Carlo can use an energy."""

from typing import Any

import torch
from torch import Tensor

from dlpipe_hmc.energies.covariance import check_covariance
from dlpipe_hmc.energy import Energy, autograd_gradient, gradient_of


def check_form(energy: Any, name: str) -> None:
    """Check that an energy is callable and that ``dim``, ``mean`` and ``covariance`` are valid.

    Raises:
        ValueError: names the wrong attribute and what it has to be.
    """
    if not callable(energy):
        raise ValueError(f"energy {name} is a {type(energy).__name__}; a callable is wanted: positions to energies")
    dim = getattr(energy, "dim", None)
    if not isinstance(dim, int) or dim < 1:
        raise ValueError(f"energy {name} has dim={dim!r}; give it an attribute dim, the number of its coordinates")
    for moment, shape in (("mean", (dim,)), ("covariance", (dim, dim))):
        value = getattr(energy, moment, None)
        if value is not None and getattr(value, "shape", None) != shape:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"energy {name} has a {moment} of {found}; a tensor {shape} is wanted, or none")
    if (covariance := getattr(energy, "covariance", None)) is not None:
        try:
            check_covariance(covariance if covariance.is_floating_point() else covariance.double(), dim)
        except ValueError as error:
            raise ValueError(f"energy {name}: {error}") from error


@torch.no_grad()
def check_values(energy: Energy, name: str, positions: Tensor) -> None:
    """Check that an energy gives one finite number per chain at ``positions``, and a correct gradient.

    Raises:
        ValueError: says what the energy gave, what is wanted and what to do.
    """
    _check_numbers(
        f"energy {name}", _energies(energy, name, positions), (len(positions),), "sum over the last dimension"
    )
    gradients = _gradients(energy, name, positions)
    _check_numbers(f"the gradient of energy {name}", gradients, tuple(positions.shape), "one number a coordinate")
    if hasattr(energy, "gradient"):
        _compare_with_autograd(energy, name, positions, gradients)


def _check_numbers(what: str, values: Any, shape: tuple[int, ...], advice: str) -> None:
    if not isinstance(values, Tensor):
        raise ValueError(f"{what} gave a {type(values).__name__}; a tensor {shape} is wanted")
    if tuple(values.shape) != shape:
        raise ValueError(
            f"{what} has the shape {tuple(values.shape)} for {shape[0]} chains; wanted is {shape}: {advice}"
        )
    wrong = ~values.isfinite().reshape(len(values), -1).all(1)
    if wrong.any():
        chains = wrong.nonzero().flatten().tolist()
        raise ValueError(
            f"{what} is not finite where chains {chains} start: {values[chains[0]].tolist()}. They start at draws from "
            "N(0, 1); the density must be positive and differentiable there: change its coordinates so that it is"
        )


def _energies(energy: Energy, name: str, positions: Tensor) -> Tensor:
    try:
        return energy(positions)
    except Exception as error:  # user code may raise anything
        raise ValueError(f"energy {name} {_raised(error, positions)}") from error


def _raised(error: Exception, positions: Tensor) -> str:
    chains, dim = positions.shape
    return f"raised {type(error).__name__} for positions of {chains} chains, {dim} coordinates each: {error}"


def _gradients(energy: Energy, name: str, positions: Tensor) -> Tensor:
    if hasattr(energy, "gradient"):
        try:
            return gradient_of(energy)(positions)
        except Exception as error:  # user code may raise anything
            raise ValueError(f"the gradient of energy {name} {_raised(error, positions)}") from error
    try:
        return autograd_gradient(energy, positions)
    except RuntimeError as error:
        raise ValueError(
            f"energy {name} has no gradient with respect to the positions ({error}); compute it from them by torch's "
            "operations, without detach, item or numpy, or give it a method gradient(positions)"
        ) from error


def _compare_with_autograd(energy: Energy, name: str, positions: Tensor, gradients: Tensor) -> None:
    """Compare it with autograd's, if autograd gives one."""
    try:
        by_autograd = autograd_gradient(energy, positions)
    except RuntimeError:  # not differentiable by autograd
        return
    if not torch.allclose(gradients, by_autograd, rtol=1e-3, atol=1e-3 * float(by_autograd.abs().max())):
        off = float((gradients - by_autograd).abs().max())
        raise ValueError(f"gradient of energy {name} is off by {off:.3g} from what autograd gives; mend or remove it")
