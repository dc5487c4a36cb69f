"""A progress bar on a terminal or in a notebook, nothing where the output is a file."""

import time
from importlib.util import find_spec
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_DRAWINGS = 0.2


class ProgressBar(pl.Callback):
    """A rich bar of the current epoch, drawn five times a second.

    Lightning's own rich bar draws from a thread of its own and reads metrics at every minibatch, which on a small
    model takes most of the time.
    """

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.task = TaskID(0)
        self._next_drawing = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar if the output is a terminal or a notebook with widgets, and no bar of Lightning's is there."""
        console = Console()
        shows_bars = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
        if not shows_bars or not trainer.is_global_zero or trainer.progress_bar_callback is not None:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=console, auto_refresh=False, transient=True)
        total = trainer.num_training_batches
        self.task = self.progress.add_task("", total=None if total == float("inf") else total)
        self.progress.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reset the bar."""
        if self.progress:
            self.progress.reset(self.task, description=f"epoch {trainer.current_epoch + 1}")

    def next_update(self) -> float:
        """Infinity: it can wait."""
        return float("inf")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw, if the last drawing is old enough."""
        if self.progress and (now := time.monotonic()) >= self._next_drawing:
            self._next_drawing = now + SECONDS_BETWEEN_DRAWINGS
            self.progress.update(self.task, completed=batch_idx + 1, refresh=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar."""
        if self.progress:
            self.progress.stop()
            self.progress = None

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the bar."""
        self.on_train_end(trainer, pl_module)
