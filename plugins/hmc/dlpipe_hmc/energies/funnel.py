"""Neal's funnel."""

from typing import final

import torch
from torch import Tensor, nn

SPREAD = 3.0  # standard deviation of the first coordinate


@final
class Funnel(nn.Module):
    """v ~ N(0, 3^2), the other x_i ~ N(0, e^v): one step size does not fit the neck and the mouth.

    E(v, x) = v^2 / 18 + e^-v / 2 sum x_i^2 + (dim - 1) v / 2. Mean 0, variances 9 and e^4.5, covariances 0. Chains with
    one step size for all places do not get into the neck, and their moments are off: a density to see that on.

    Args:
        dim: at least 2.

    Raises:
        ValueError: ``dim`` is less than 2.

    Source: Neal (2003), Slice sampling, section 8.
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, dim: int = 10) -> None:
        super().__init__()
        if not isinstance(dim, int) or dim < 2:
            raise ValueError(f"dim={dim!r}: must be at least 2, the first coordinate and one whose spread it sets")
        self.dim = dim
        variances = torch.full((dim,), SPREAD**2 / 2).exp()
        variances[0] = SPREAD**2
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("covariance", torch.diag(variances))

    def forward(self, positions: Tensor) -> Tensor:
        """Energies (chains,) of positions (chains, dim)."""
        v, squares = positions[:, 0], positions[:, 1:].square().sum(1)
        return 0.5 * (v.square() / SPREAD**2 + squares * torch.exp(-v) + (self.dim - 1) * v)

    def gradient(self, positions: Tensor) -> Tensor:
        """(chains, dim)."""
        v, x = positions[:, :1], positions[:, 1:]
        precision = torch.exp(-v)
        along = v / SPREAD**2 + 0.5 * (self.dim - 1 - precision * x.square().sum(1, keepdim=True))
        return torch.cat([along, precision * x], 1)
