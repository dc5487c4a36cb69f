"""The partition function and the log-likelihood of small machines, by enumeration."""

import torch
from torch import Tensor

from dlpipe_boltzmann.energy import Parameters, free_energy

MOST_UNITS = 20
STATES_AT_ONCE = 4096


def all_states(num_units: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Every binary state, (2^num_units, num_units); row r is r in binary, the last unit the least significant bit."""
    shifts = torch.arange(num_units - 1, -1, -1)
    return (torch.arange(2**num_units).unsqueeze(1) >> shifts & 1).to(dtype)


def log_partition(parameters: Parameters) -> Tensor:
    """log Z = log sum_v sum_h exp(-E(v, h)), a scalar: a sum over the states of the smaller layer.

    Args:
        parameters: of one machine; biases without a batch.

    Raises:
        ValueError: both layers are too large.
    """
    W, b, c = parameters
    if W.shape[0] > W.shape[1]:
        parameters = Parameters(W.t(), c, b)  # the same machine with its layers exchanged
    num_units = parameters.W.shape[0]
    if num_units > MOST_UNITS:
        raise ValueError(
            f"log Z is a sum over the 2^{num_units} states of the smaller layer; at most {MOST_UNITS} units can be "
            "enumerated: use estimate_log_partition"
        )
    states = all_states(num_units, W.dtype).to(W.device)
    return torch.cat([-free_energy(parameters, part) for part in torch.split(states, STATES_AT_ONCE)]).logsumexp(0)


def log_likelihood(parameters: Parameters, v: Tensor) -> Tensor:
    """log p(v) = -F(v) - log Z, (batch,) for zeros and ones v (batch, num_visible)."""
    return -free_energy(parameters, v) - log_partition(parameters)
