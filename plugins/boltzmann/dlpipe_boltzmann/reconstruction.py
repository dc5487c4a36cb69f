"""The reconstruction log-likelihood, the monitor of CD training."""

import torch.nn.functional as F
from torch import Tensor


def reconstruction_log_likelihood(x: Tensor, preactivation: Tensor) -> Tensor:
    """sum_i [x_i log m_i + (1 - x_i) log(1 - m_i)], m = sigmoid(preactivation); the mean over the batch, a scalar.

    Minus the cross-entropy; for binary x it rises towards 0. With a the pre-activation, a term is
    x_i a_i - softplus(a_i), which stays finite where m rounds to 0 or 1.

    Args:
        x: data that the chains started from, (batch, num_visible).
        preactivation: of the visible units in the last step, (batch, num_visible).

    Source: the tutorial's monitor of CD training.
    """
    return (x * preactivation - F.softplus(preactivation)).sum() / x.shape[0]
