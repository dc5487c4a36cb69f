"""Diagnostics of draws: errors of their moments, effective sample size, R-hat."""

import math
from collections.abc import Callable

import numpy as np
import torch
from arviz_stats.base import array_stats  # type: ignore[attr-defined]  # it re-exports without saying so
from numpy.typing import NDArray
from torch import Tensor

from dlpipe import DlpipeError

MIN_DRAWS = 4  # per chain, the fewest that ArviZ gives a number for


def moment_errors(draws: Tensor, mean: Tensor | None, covariance: Tensor | None) -> dict[str, float]:
    """The largest absolute error of any entry of the draws' mean and covariance, for those that are known.

    Args:
        draws: (draws, chains, dim); the moments are those of all draws together.
        mean: of the density, (dim,).
        covariance: of the density, (dim, dim).
    """
    rows = draws.flatten(0, 1).double().cpu()
    errors = {}
    if mean is not None:
        errors["mean_error"] = float((rows.mean(0) - mean.cpu()).abs().max())
    if covariance is not None:
        estimate = torch.cov(rows.T).reshape(covariance.shape)  # torch.cov of one coordinate is a scalar
        errors["covariance_error"] = float((estimate - covariance.cpu()).abs().max())
    return errors


def convergence(draws: Tensor) -> dict[str, float]:
    """The least bulk effective sample size of any coordinate and, of several chains, the largest rank-normalised R-hat.

    If a chain never moved in a coordinate, the effective sample size is NaN; if no chain moved, R-hat is as large as
    rounding allows, or NaN.

    Args:
        draws: (draws, chains, dim), at least `MIN_DRAWS` draws.

    Source: Vehtari et al. (2021), Rank-normalization, folding, and localization: an improved R-hat, by ArviZ.
    """
    ess, rhat = _of_coordinates(array_stats.ess, draws), _of_coordinates(array_stats.rhat, draws)
    stuck = (draws == draws[0]).all(0).any()
    return {"ess": math.nan if stuck else float(ess.min())} | (
        {"rhat": float(rhat.max())} if draws.shape[1] > 1 else {}
    )


def _of_coordinates(statistic: Callable[..., NDArray[np.float64]], draws: Tensor) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):  # chains that never moved have no variance
        return statistic(draws.numpy(force=True), chain_axis=1, draw_axis=0)


def chain_after_chain(draws: Tensor) -> Tensor:
    """Draws (draws, chains, dim) as rows (chains * draws, dim), the first chain's first."""
    return draws.transpose(0, 1).flatten(0, 1)


def thinned(draws: Tensor, count: int) -> Tensor:
    """``count`` draws (count, dim), evenly spaced along chain after chain.

    Args:
        draws: (draws, chains, dim).
        count: at most draws * chains.

    Raises:
        DlpipeError: there are fewer.
    """
    rows = chain_after_chain(draws)
    if not 1 <= count <= len(rows):
        raise DlpipeError(
            f"{count} samples were asked for, and {draws.shape[1]} chains of {draws.shape[0]} draws have {len(rows)}; "
            f"ask for at most so many (-n {len(rows)}), or run with more model.num_draws or model.num_chains"
            if len(rows)
            else "the run has no draws yet: its burn-in is not over; resume it, or run with less model.num_burn_in"
        )
    return rows[torch.arange(count, device=rows.device) * len(rows) // count]
