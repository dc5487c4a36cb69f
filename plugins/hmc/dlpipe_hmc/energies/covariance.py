"""Whether a matrix is the covariance of a density."""

import torch
from torch import Tensor


def check_covariance(covariance: Tensor, dim: int) -> None:
    """Refuse what is not symmetric and positive definite, as far as its type can tell.

    Raises:
        ValueError: with what is wrong and by how much.
    """
    if covariance.shape != (dim, dim):
        raise ValueError(f"covariance has the shape {tuple(covariance.shape)}; a mean of {dim} needs ({dim}, {dim})")
    if not covariance.isfinite().all():
        wrong = float(covariance[~covariance.isfinite()][0])
        raise ValueError(f"covariance has an entry {wrong}; all of its entries must be finite numbers")
    if not torch.allclose(covariance, covariance.T):
        off = float((covariance - covariance.T).abs().max())
        raise ValueError(f"covariance is not symmetric: an entry is {off:.3g} from the one across the diagonal")
    eigenvalues = torch.linalg.eigvalsh(covariance)
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    least = largest * dim * torch.finfo(covariance.dtype).eps  # what rounding makes of 0
    if smallest <= least:
        raise ValueError(
            f"covariance ({dim}, {dim}) is not positive definite, so that it is of no distribution: its smallest "
            f"eigenvalue is {smallest:.4g}; give one whose eigenvalues are all above 0, and by more than rounding"
        )
