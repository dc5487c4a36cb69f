"""A normal density."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from dlpipe_hmc.energies.covariance import check_covariance


@final
class Gaussian(nn.Module):
    """E(x) = 1/2 (x - mu)^T C^-1 (x - mu).

    Args:
        mean: mu, dim numbers.
        covariance: C, dim rows of dim numbers, symmetric and positive definite.

    Raises:
        ValueError: the covariance is of another size, or that of no distribution.
    """

    mean: Tensor
    covariance: Tensor
    precision: Tensor

    def __init__(self, mean: Sequence[float], covariance: Sequence[Sequence[float]]) -> None:
        super().__init__()
        exact = torch.tensor(covariance, dtype=torch.float64)
        self.dim = len(mean)
        check_covariance(exact, self.dim)
        dtype = torch.get_default_dtype()
        self.register_buffer("mean", torch.tensor(mean, dtype=dtype))
        self.register_buffer("covariance", exact.to(dtype))
        self.register_buffer("precision", torch.linalg.inv(exact).to(dtype))

    def forward(self, positions: Tensor) -> Tensor:
        """Energies (chains,) of positions (chains, dim)."""
        away = positions - self.mean
        return torch.linalg.vecdot(away @ self.precision, away).mul(0.5)  # type: ignore[no-any-return]  # torch.linalg's

    def gradient(self, positions: Tensor) -> Tensor:
        """C^-1 (x - mu), (chains, dim)."""
        return (positions - self.mean) @ self.precision
