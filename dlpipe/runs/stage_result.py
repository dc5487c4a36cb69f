"""The result of training one stage."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StageResult:
    """The numbers of one stage.

    Args:
        name: the stage's name; empty for a model without stages.
        stopped_by: what ended training: patience, max_epochs, max_steps, a callback, interrupted, diverged or failed.
        epochs: number of epochs started.
        updates: number of optimizer steps.
        steps: number of steps that the loggers counted.
        seconds: training time, including that before the run was resumed.
        max_chunk_batches: the most minibatches that one step of Lightning's loop took.
        best: metric, value, update and epoch of the best validation; None without validation.
        evaluated: number of examples in the last validation and in the test.
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
