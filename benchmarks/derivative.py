"""What an update by hand needs to know of one parameter."""

from typing import NamedTuple

from torch import Tensor


class Derivative(NamedTuple):
    """The derivative of the loss by a parameter, or one of its summands: left @ right + rest.

    Args:
        parameter: of any shape.
        product: left (rows, k) and right (k, columns), where the derivative is formed by a matrix product.
        rest: of the parameter's shape; or, with ``rows``, (len(rows), columns).
        rows: of the parameter, that the rows of the rest belong to.
    """

    parameter: Tensor
    product: tuple[Tensor, Tensor] | None = None
    rest: Tensor | None = None
    rows: Tensor | None = None
