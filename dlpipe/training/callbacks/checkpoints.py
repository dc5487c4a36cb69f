"""The best and the last checkpoint of a run."""

import logging
import time
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from dlpipe.atomic import atomic_write, link_or_copy
from dlpipe.errors import DivergedError, DlpipeError, PrunedError
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.plain_content import plain_content
from dlpipe.training.callbacks.divergence import divergence
from dlpipe.training.callbacks.monitor import (
    Mode,
    check_monitor,
    is_better,
    is_extra_validation,
    log_unmonitored,
    monitored,
    worst,
)
from dlpipe.training.resume.lengths import trains_on
from dlpipe.training.resume.run_state import RunState

log = logging.getLogger(__name__)
MID_EPOCH = "mid_epoch.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint with `atomic_write`: a kill leaves the old file intact.

    Lightning's own is atomic only where the temporary folder is on the target's file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save ``checkpoint`` to ``path``, as `plain_content`.

        Raises:
            DlpipeError: it could not be written, as on a full disk, or could not be read back.
        """
        checkpoint = plain_content(checkpoint)
        try:
            with atomic_write(Path(path)) as temporary_path:
                torch.save(checkpoint, temporary_path)
        except (OSError, RuntimeError) as error:  # torch's writer raises the second
            message = str(error).splitlines()[0]
            raise DlpipeError(f"{path} could not be written: {message}. The previous file is unchanged") from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Tensors and plain containers only, on the CPU, whatever the environment says."""
        return read_checkpoint(Path(path))


class BestAndLast(Checkpoint):
    """Save ``best.ckpt`` at every strictly better validation, and ``last.ckpt``, to resume from, when due.

    It is due after every validation and epoch, after so many updates or minutes, and when a signal stops the run; the
    one before is kept as ``previous.ckpt``. Where nothing is monitored, the last is the best. If training ends within
    an epoch, ``mid_epoch.ckpt`` is the state before the epoch was closed, from which a longer run is resumed.

    Args:
        directory: for the files.
        every_n_updates: also save the last after every so many updates.
        every_minutes: also save the last where it is older than this.
        every_n_epochs: also keep an ``epoch_0010.ckpt`` after every so many epochs, for ``figures``; null keeps none.
        monitor: the metric; null means val/error, else val/loss, else val_loss.
        mode: whether less or more of it is better.
    """

    def __init__(
        self,
        directory: str,
        every_n_updates: Annotated[int, Field(gt=0)] | None = None,
        every_minutes: Annotated[float, Field(gt=0)] | None = None,
        every_n_epochs: Annotated[int, Field(gt=0)] | None = None,
        monitor: str | None = None,
        mode: Mode = "min",
    ) -> None:
        self.directory = Path(directory)
        self.every_n_updates = every_n_updates
        self.every_minutes = every_minutes
        self.every_n_epochs = every_n_epochs
        self.monitor = monitor
        self.mode = mode
        self.best: dict[str, Any] | None = None
        self.done = False  # training has ended; only the test remains
        self._due = self._has_logged_unmonitored = False
        self._epoch = self._saved_update = 0
        self._saved_at = time.monotonic()

    @property
    def best_path(self) -> Path:
        """The checkpoint to test and to predict with."""
        return self.directory / "best.ckpt"

    @property
    def last_path(self) -> Path:
        """The checkpoint to resume from."""
        return self.directory / "last.ckpt"

    @property
    def previous_path(self) -> Path:
        """The one before, for when the last cannot be read."""
        return self.directory / "previous.ckpt"

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Stop at once if the checkpoint says that training is done, unless the run was made longer since."""
        done = checkpoint["callbacks"][self.state_key]["done"]
        configs = [callback.config for callback in trainer.callbacks if isinstance(callback, RunState)]  # type: ignore[attr-defined]
        trainer.should_stop = done and not any(trains_on(checkpoint, config) for config in configs)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start counting time and epochs; a MonitorError refuses a monitor without validation."""
        if self.monitor is not None:
            check_monitor(trainer, pl_module, self.monitor, self.mode)
        self.done = False
        self._saved_at, self._epoch = time.monotonic(), trainer.current_epoch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the best if this one is; the last at the next safe point."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or is_extra_validation(trainer):
            return
        found = monitored(trainer, self.monitor)
        if found is None and not self._has_logged_unmonitored:
            self._has_logged_unmonitored = True
            log_unmonitored(trainer)
        if found and is_better(found[1], self.best["value"] if self.best else worst(self.mode), self.mode):
            self.best = {
                "metric": found[0],
                "value": found[1],
                "update": trainer.global_step,
                "epoch": trainer.current_epoch + 1,
                "mode": self.mode,
            }
            trainer.save_checkpoint(self.best_path)
        self._due = True

    def next_update(self) -> float:
        """The count of updates after which the last checkpoint is due next."""
        every = self.every_n_updates
        return float("inf") if every is None else (self._saved_update // every + 1) * every

    def on_safe_point(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last checkpoint, if it is due."""
        due = self._due or trainer.current_epoch != self._epoch or trainer.global_step >= self.next_update()
        if self.every_minutes is not None:
            late = time.monotonic() - self._saved_at >= 60 * self.every_minutes
            due |= trainer.strategy.reduce_boolean_decision(late, all=False) if trainer.world_size > 1 else late
        if due:
            self.save_last(trainer)

    def on_end_in_epoch(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state before the epoch that training ends in is closed."""
        trainer.save_checkpoint(self.directory / MID_EPOCH)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Save the last checkpoint, and keep the one before."""
        if trainer.is_global_zero and self.last_path.exists():
            link_or_copy(self.last_path, self.previous_path)
        self._due, self._epoch, self._saved_update = False, trainer.current_epoch, trainer.global_step
        trainer.save_checkpoint(self.last_path)
        self._saved_at = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep a checkpoint after every ``every_n_epochs``."""
        epoch = trainer.current_epoch + 1
        if self.every_n_epochs and epoch % self.every_n_epochs == 0:
            trainer.save_checkpoint(self.directory / f"epoch_{epoch:04}.ckpt")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the weights training ended with; they are the best where nothing was monitored and they are finite."""
        self.done = True
        if self.best is None and not divergence(trainer):
            trainer.save_checkpoint(self.best_path)
        self.save_last(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Log how to resume."""
        if not isinstance(exception, (DivergedError, PrunedError)) and (
            self.last_path.exists() or self.previous_path.exists()
        ):
            log.info("to resume from the last checkpoint: python -m dlpipe resume %s", trainer.default_root_dir)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"best": self.best, "done": self.done, "saved_update": self._saved_update}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best, self.done, self._saved_update = (state_dict[name] for name in ("best", "done", "saved_update"))
