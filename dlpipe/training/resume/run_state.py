"""What a checkpoint holds of a run besides what Lightning puts there."""

from importlib.metadata import version
from typing import Any

import pytorch_lightning as pl
import torch

from dlpipe.training.distributed.gather import gather_from_ranks
from dlpipe.training.lightning_private import callback_metrics_store
from dlpipe.training.resume.epoch_means import epoch_means, metric_states, restore_epoch_means, restore_metric_states
from dlpipe.training.resume.rng import restore_rng_state, rng_state

# of a checkpoint
KEY = "dlpipe"


class RunState(pl.Callback):
    """Keep what the numbers and the record of a run depend on: generators, means of the epoch so far, the record's end.

    Args:
        config: of the run, as plain containers.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._found: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add it."""
        checkpoint[KEY] = {
            "versions": {"dlpipe": version("dlpipe"), "torch": str(torch.__version__)},
            "config": self.config,
            "draws": gather_from_ranks(rng_state(pl_module)),
            "epoch_means": gather_from_ranks(epoch_means(trainer)),
            "metric_states": gather_from_ranks(metric_states(pl_module)),
            "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
            "record": [log.position() if hasattr(log, "position") else None for log in trainer.loggers],
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Wind the record back to where it was, and keep the rest until training begins."""
        if trainer.state.fn != "fit":  # the test of the best weights
            return
        self._found = found = checkpoint[KEY]
        restore_rng_state(found["draws"][trainer.global_rank], pl_module)  # for the test, where training is done
        for log, position in zip(trainer.loggers, found["record"], strict=False):  # of rank 0 alone
            if position is not None:
                log.rewind(position)  # type: ignore[attr-defined]  # it has a position

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put it back; in mid-epoch the loop does so with the generators once more, when it has found its minibatch."""
        if self._found is None:
            return
        found, self._found, rank = self._found, None, trainer.global_rank
        restore_rng_state(found["draws"][rank], pl_module)
        trainer.fit_loop.epoch_loop.draws = found["draws"][rank]
        restore_epoch_means(trainer, found["epoch_means"][rank])
        restore_metric_states(pl_module, found["metric_states"][rank])
        metrics = {name: torch.tensor(value) for name, value in found["metrics"].items()}
        callback_metrics_store(trainer).update(metrics)
