"""Fixtures: examples."""

import pytest
import torch


@pytest.fixture
def x() -> torch.Tensor:
    """(7, 12), entries in [0, 1)."""
    return torch.rand(7, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
