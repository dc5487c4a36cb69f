"""Is a validation better than an earlier one, or just luckier? McNemar's test over the same examples."""

from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor

from dlpipe.errors import PluginError


def mcnemar_p_value(right_before: Tensor, right_now: Tensor) -> float:
    """Exact one-sided p-value of "no better than before": P(gains or more | gains + losses, one half).

    Gains are examples that only the new predictions have right, losses those that only the old ones had; examples
    that both have right, or both wrong, say nothing.

    Args:
        right_before: (examples,) of bool.
        right_now: (examples,) of bool, of the same examples in the same order.

    Source: McNemar (1947), Note on the sampling error of the difference between correlated proportions.
    """
    gains = int((right_now & ~right_before).sum())
    losses = int((right_before & ~right_now).sum())
    if gains + losses == 0:
        return 1.0
    return float(binomtest(gains, gains + losses, 0.5, alternative="greater").pvalue)


def labels_of(batch: Any) -> Tensor:
    """The labels of a batch (x, y, ...).

    Raises:
        PluginError: the batch is something else, such as a dict.
    """
    if not isinstance(batch, (list, tuple)) or len(batch) < 2 or not isinstance(batch[1], Tensor):
        raise PluginError(
            f"recipe.significance needs batches (x, y) with labels y; this one is a {type(batch).__name__}"
        )
    return batch[1]


class McNemarTest:
    """Compare each validation's predictions with those of the last one that counted as an improvement.

    The tutorials' threshold compares with the best so far, so that many small gains never count; here they add up
    until they are significant.

    Args:
        level: the p-value below which an improvement counts.
    """

    def __init__(self, level: float) -> None:
        self.level = level
        self.reference: Tensor | None = None
        self._parts: list[Tensor] = []

    def start(self) -> None:
        """Start a validation."""
        self._parts = []

    def add(self, probabilities: Tensor, labels: Tensor) -> None:
        """Take one batch: class probabilities (examples, num_classes) and labels (examples,).

        Raises:
            PluginError: the module's ``predict_step`` gives something else.
        """
        if not isinstance(probabilities, Tensor) or probabilities.ndim != 2 or len(probabilities) != len(labels):
            raise PluginError(
                "recipe.significance needs a classifier, whose predict_step gives class probabilities "
                f"(examples, num_classes); it gave {getattr(probabilities, 'shape', type(probabilities).__name__)}"
            )
        self._parts.append((probabilities.argmax(1) == labels).cpu())

    def improves(self) -> bool:
        """Whether the validation just taken beats the reference; if so, it is the next reference."""
        now = torch.cat(self._parts)
        counts = self.reference is None or mcnemar_p_value(self.reference, now) < self.level
        if counts:
            self.reference = now
        return counts
