"""The best and the last checkpoint of a run."""

import logging
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from dlpipe.atomic import replacing
from dlpipe.callbacks.monitor import Mode, is_better, is_extra_validation, monitored, worst

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its target, flush it to the disk, then rename: a kill leaves the old one whole.

    Lightning's own is atomic only where the temporary folder is on the target's file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save ``checkpoint`` to ``path``."""
        with replacing(Path(path)) as beside:
            torch.save(checkpoint, beside)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Tensors and plain containers only, whatever the environment says."""
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)  # type: ignore[no-any-return]


class BestAndLast(Checkpoint):
    """Save ``last.ckpt`` at every validation and ``best.ckpt`` at every strictly better one.

    Where nothing is monitored, the last is the best. Ctrl-C saves the last once more, except on several devices.

    Args:
        directory: of the files.
        every_n_epochs: keep an ``epoch_0010.ckpt`` too after every so many epochs, for ``figures``; null keeps none.
        monitor: the metric; null means val/error, else val/loss.
        mode: whether less or more of it is better.
    """

    def __init__(
        self,
        directory: str,
        every_n_epochs: Annotated[int, Field(gt=0)] | None = None,
        monitor: str | None = None,
        mode: Mode = "min",
    ) -> None:
        self.directory = Path(directory)
        self.every_n_epochs = every_n_epochs
        self.monitor = monitor
        self.mode = mode
        self.best: dict[str, Any] | None = None

    @property
    def best_path(self) -> Path:
        """The checkpoint to test and to predict with."""
        return self.directory / "best.ckpt"

    @property
    def last_path(self) -> Path:
        """The checkpoint to go on from."""
        return self.directory / "last.ckpt"

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last, and the best if this one is."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or is_extra_validation(trainer):
            return
        found = monitored(trainer, self.monitor)
        if found and is_better(found[1], self.best["value"] if self.best else worst(self.mode), self.mode):
            self.best = {
                "metric": found[0],
                "value": found[1],
                "update": trainer.global_step,
                "epoch": trainer.current_epoch + 1,
            }
            trainer.save_checkpoint(self.best_path)
        trainer.save_checkpoint(self.last_path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep one of every so many epochs."""
        epoch = trainer.current_epoch + 1
        if self.every_n_epochs and epoch % self.every_n_epochs == 0:
            trainer.save_checkpoint(self.directory / f"epoch_{epoch:04}.ckpt")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the weights training ended with; they are the best where nothing was monitored."""
        trainer.save_checkpoint(self.last_path)
        if self.best is None:
            trainer.save_checkpoint(self.best_path)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Keep what training has reached when the user interrupts it; of several ranks each may be elsewhere."""
        alone = trainer.world_size == 1
        if isinstance(exception, KeyboardInterrupt) and trainer.state.fn == "fit" and trainer.global_step and alone:
            trainer.save_checkpoint(self.last_path)
        if self.last_path.exists():
            log.info("the last checkpoint is %s", self.last_path)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best = state_dict["best"]
