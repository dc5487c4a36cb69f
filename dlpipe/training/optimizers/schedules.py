"""LR schedulers beyond torch's."""

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class InverseTime(LRScheduler):
    """lr_t = lr_0 / (1 + decay * t), with t in epochs, or updates where the interval is ``step``.

    Source: the tutorials' "Multilayer Perceptron", tips on the learning rate; decay of at most 0.001 there.
    """

    def __init__(self, optimizer: Optimizer, decay: float = 0.001) -> None:
        if decay < 0:
            raise ValueError(f"Invalid decay: {decay}; it must not be negative")
        self.decay = decay
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """One rate a parameter group."""
        return [base / (1 + self.decay * self.last_epoch) for base in self.base_lrs]
