"""An optimizer that does nothing."""

from collections.abc import Callable
from typing import Any, final

import torch


@final
class Counter(torch.optim.Optimizer):
    """Changes nothing. Lightning warns without an optimizer, and counts the steps of one as the updates of a run."""

    def __init__(self) -> None:
        super().__init__([torch.zeros(0)], {})

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]  # no closure, no loss
        """Do nothing; Lightning counts the call."""
