"""A ring-shaped density."""

import torch
from torch import Tensor


class Ring:
    """E(x) = (|x| - radius)^2 / (2 width^2): points near a circle in the plane."""

    dim = 2
    mean = torch.zeros(2)  # optional: test/mean_error compares the draws with it

    def __init__(self, radius: float = 3.0, width: float = 0.5) -> None:
        self.radius = radius
        self.width = width

    def __call__(self, positions: Tensor) -> Tensor:
        """Energies (chains,) of positions (chains, 2)."""
        return 0.5 * ((positions.norm(dim=1) - self.radius) / self.width).square()
