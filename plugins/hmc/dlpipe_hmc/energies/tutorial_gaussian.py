"""The normal density of the tutorial's test."""

import numpy as np

from dlpipe_hmc.energies.gaussian import Gaussian


def tutorial_gaussian(dim: int = 5) -> Gaussian:
    """Mean 10 u and covariance (U + U^T) / 2 with a diagonal of 1, u and U of numbers from numpy's RandomState(123).

    Args:
        dim: 5 in the tutorial's test. Up to 7 the matrix is a covariance; for 8 and more, 10 being the default of the
            tutorial's helper, it has negative eigenvalues.

    Raises:
        ValueError: it has, or ``dim`` is no whole number from 1.

    Source: "Hybrid Monte-Carlo Sampling", section "Testing our Sampler".
    """
    if not isinstance(dim, int) or dim < 1:
        raise ValueError(f"dim={dim!r}: must be a whole number from 1")
    rng = np.random.RandomState(123)
    mean = 10 * rng.rand(dim)
    uniform = rng.rand(dim, dim)
    covariance = (uniform + uniform.T) / 2
    np.fill_diagonal(covariance, 1.0)
    return Gaussian(mean.tolist(), covariance.tolist())
