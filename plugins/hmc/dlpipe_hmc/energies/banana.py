"""A bent normal density."""

from typing import final

import torch
from torch import Tensor, nn


@final
class Banana(nn.Module):
    """x1 ~ N(0, s^2), x2 ~ N(b (x1^2 - s^2), 1): a narrow bent valley, as of Rosenbrock's function, with known moments.

    E(x) = x1^2 / (2 s^2) + (x2 - b (x1^2 - s^2))^2 / 2. Mean 0, variances s^2 and 1 + 2 b^2 s^4, covariance 0.

    Args:
        deviation: s, of the first coordinate.
        bend: b; from 0.5 on chains with one step size for all places stick in the ends of the valley.

    Raises:
        ValueError: ``deviation`` is not above 0.

    Source: Haario, Saksman and Tamminen (1999), Adaptive proposal distribution for random walk Metropolis algorithm.
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, deviation: float = 2.0, bend: float = 0.2) -> None:
        super().__init__()
        if deviation <= 0:
            raise ValueError(f"deviation={deviation}: must be greater than 0")
        self.dim = 2
        self.variance = deviation**2
        self.bend = bend
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer(
            "covariance", torch.diag(torch.tensor([self.variance, 1 + 2 * (bend * self.variance) ** 2]))
        )

    def _off_valley(self, first: Tensor, second: Tensor) -> Tensor:
        """How far x2 is from the bottom of the valley at x1, (chains,)."""
        return second - self.bend * (first.square() - self.variance)

    def forward(self, positions: Tensor) -> Tensor:
        """Energies (chains,) of positions (chains, 2)."""
        first, second = positions.unbind(1)
        return 0.5 * (first.square() / self.variance + self._off_valley(first, second).square())

    def gradient(self, positions: Tensor) -> Tensor:
        """(chains, 2)."""
        first, second = positions.unbind(1)
        off = self._off_valley(first, second)
        return torch.stack([first * (1 / self.variance - 2 * self.bend * off), off], 1)
