"""How well a chain's last visible means reproduce where it started."""

import torch.nn.functional as F
from torch import Tensor


def reconstruction_log_likelihood(x: Tensor, preactivation: Tensor) -> Tensor:
    """sum_i [x_i log m_i + (1 - x_i) log(1 - m_i)], m = sigmoid(preactivation); the mean over the batch, a scalar.

    Minus the cross-entropy: it rises towards 0, as far as x is binary. With a the pre-activation a term is
    x_i a_i - softplus(a_i), which is finite also where m is rounded to 0 or 1.

    Args:
        x: data that chains started from, (batch, num_visible).
        preactivation: of the visible units in the chains' last step, (batch, num_visible).

    Source: the tutorial's monitor of CD training.
    """
    return (x * preactivation - F.softplus(preactivation)).sum() / len(x)
