"""The contractive penalty: the Jacobian norm of a sigmoid encoder."""

from torch import Tensor


def squared_jacobian_norm(codes: Tensor, weight: Tensor) -> Tensor:
    """1/n sum_n ||dh_n/dx_n||_F^2 of h = sigmoid(x W + b), a scalar, differentiable in codes and weight.

    As dh_j/dx_i = h_j (1 - h_j) W_ij, the norm of one example is sum_j (h_j (1 - h_j))^2 sum_i W_ij^2, so that the
    Jacobians, (examples, inputs, units), are never computed.

    Args:
        codes: h, (examples, units).
        weight: W, (inputs, units).

    Source: Rifai et al. (2011), Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, section 5.
    The tutorial's code divides by the number of examples as integers, so its penalty has no gradient; this one has.
    """
    slope = codes * (1 - codes)
    return slope.square().mean(0) @ weight.square().sum(0)
