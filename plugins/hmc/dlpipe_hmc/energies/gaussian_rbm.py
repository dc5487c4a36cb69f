"""A restricted Boltzmann machine with Gaussian visible units."""

import itertools
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENUMERABLE = 12  # hidden units at most of which all states are gone through, for the moments


@final
class GaussianRBM(nn.Module):
    """The visible units of E(v, h) = 1/2 |v - b|^2 - c.h - v W h, h in {0, 1}, by their free energy.

    F(v) = 1/2 |v - b|^2 - sum_j softplus(c_j + v W_j), W_j the columns of W. The density is a mixture of N(b + W h, 1)
    over the states h, which gives mean and covariance, up to 12 hidden units.

    Args:
        weight: W, a row a visible unit of a number a hidden unit; None for 4 x 3 draws from N(0, 1), always the same.
        visible_bias: b; None for zeros.
        hidden_bias: c; None for zeros.

    Raises:
        ValueError: a bias has not as many entries as the weight has rows or columns.

    Source: Hinton (2010), A Practical Guide to Training Restricted Boltzmann Machines, sections 13.2 and 16.1.
    """

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor
    mean: Tensor | None
    covariance: Tensor | None

    def __init__(
        self,
        weight: Sequence[Sequence[float]] | None = None,
        visible_bias: Sequence[float] | None = None,
        hidden_bias: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        given = _drawn_weight() if weight is None else torch.tensor(weight, dtype=torch.float64)
        if given.ndim != 2:
            raise ValueError(f"weight has the shape {tuple(given.shape)}; wanted is (visible units, hidden units)")
        self.dim, num_hidden = given.shape
        exact = {
            "weight": given,
            "visible_bias": _bias("visible_bias", visible_bias, self.dim),
            "hidden_bias": _bias("hidden_bias", hidden_bias, num_hidden),
        }
        exact |= mixture_moments(**exact) if num_hidden <= ENUMERABLE else {}
        for name in ("weight", "visible_bias", "hidden_bias", "mean", "covariance"):
            value = exact.get(name)
            self.register_buffer(name, None if value is None else value.to(torch.get_default_dtype()))

    def forward(self, positions: Tensor) -> Tensor:
        """Free energies (chains,) of visible units (chains, dim)."""
        inputs = torch.addmm(self.hidden_bias, positions, self.weight)
        return 0.5 * (positions - self.visible_bias).square().sum(1) - F.softplus(inputs).sum(1)

    def gradient(self, positions: Tensor) -> Tensor:
        """v - b - W sigmoid(c + v W), (chains, dim)."""
        inputs = torch.addmm(self.hidden_bias, positions, self.weight)
        return positions - self.visible_bias - torch.sigmoid(inputs) @ self.weight.T


def mixture_moments(weight: Tensor, visible_bias: Tensor, hidden_bias: Tensor) -> dict[str, Tensor]:
    """Mean (visible,) and covariance (visible, visible) over the states h, each with exp(c.h + b.Wh + 1/2 |Wh|^2)."""
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=len(hidden_bias))), dtype=weight.dtype)
    shifts = states @ weight.T  # (states, visible)
    shares = torch.softmax(states @ hidden_bias + shifts @ visible_bias + 0.5 * shifts.square().sum(1), 0)
    mean = shares @ shifts
    spread = (shares * (shifts - mean).T) @ (shifts - mean)
    return {"mean": visible_bias + mean, "covariance": torch.eye(len(mean), dtype=weight.dtype) + spread}


def _drawn_weight() -> Tensor:
    return torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _bias(name: str, given: Sequence[float] | None, size: int) -> Tensor:
    bias = torch.zeros(size, dtype=torch.float64) if given is None else torch.tensor(given, dtype=torch.float64)
    if bias.shape != (size,):
        raise ValueError(f"{name} has the shape {tuple(bias.shape)}; the weight needs ({size},)")
    return bias
