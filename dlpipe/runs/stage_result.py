"""What the training of one stage came to."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StageResult:
    """The numbers of one stage.

    Args:
        name: of the stage; empty for a model without stages.
        stopped_by: what ended it: patience, max_epochs, max_steps, a callback, interrupted or failed.
        epochs: begun.
        updates: made.
        steps: the updates that the record counts.
        seconds: of training, in all processes that took part in it.
        max_chunk_batches: minibatches that a step of Lightning's loop took at most.
        best: metric, value, update and epoch of the best validation; None without one.
        evaluated: examples of the last validation and of the test.
    """

    name: str
    stopped_by: str
    epochs: int
    updates: int
    steps: int
    seconds: float
    max_chunk_batches: int
    best: dict[str, Any] | None
    evaluated: dict[str, int]
