"""How far a run got, and the status that its summary gets from that."""

from dataclasses import dataclass, field

import pytorch_lightning as pl

from dlpipe.errors import DivergedError, PrunedError
from dlpipe.runs.stage_result import StageResult
from dlpipe.runs.summary import Summary, summarise
from dlpipe.training.prepared import Prepared


@dataclass(frozen=True)
class RunProgress:
    """How far a run got: its stages, its test, and the exception that ended it, if any."""

    results: list[StageResult]
    trainer: pl.Trainer | None = None
    test: dict[str, float] = field(default_factory=dict)
    error: BaseException | None = None

    def summary(self, prepared: Prepared) -> Summary:
        """The summary of the run so far."""
        status = "finished"
        if isinstance(self.error, DivergedError):
            status = "diverged"
        elif isinstance(self.error, PrunedError):
            status = "pruned"
        elif self.error is not None:
            interrupted = self.results[-1].stopped_by == "interrupted" or not isinstance(self.error, Exception)
            status = "interrupted" if interrupted else "failed"
        return summarise(prepared.config, self.results, status, self.test)
