"""Callbacks that interrupt a run, and that watch its training steps."""

import signal
from typing import Any

import pytorch_lightning as pl
from torch.utils._pytree import tree_leaves

from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.resume.rng import rng_state
from dlpipe.training.trainer import find_callback


class Interrupt(pl.Callback):
    """Save a checkpoint and stop, as a signal would, once in each stage.

    Args:
        update: after how many updates.
    """

    def __init__(self, update: int) -> None:
        self.update = update
        self.has_stopped = False

    def on_safe_point(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Raise `StoppedBySignal`, if it is time."""
        if self.has_stopped or trainer.global_step < self.update:
            return
        self.has_stopped = True
        if checkpoints := find_callback(trainer, BestAndLast):
            checkpoints.save_last(trainer)
        raise StoppedBySignal(signal.SIGTERM)

    def state_dict(self) -> dict[str, Any]:
        """Whether it has stopped the stage."""
        return {"has_stopped": self.has_stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.has_stopped = state_dict["has_stopped"]


class DrawsNoise(pl.Callback):
    """Record in the checkpoint whether a training step draws random numbers."""

    def __init__(self) -> None:
        self.draws = False
        self._before: list[Any] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Note the state of the generators."""
        self._before = _generator_states(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Compare it."""
        self.draws = self.draws or _generator_states(pl_module) != self._before

    def state_dict(self) -> dict[str, Any]:
        """Whether one has drawn some."""
        return {"draws": self.draws}


def _generator_states(module: pl.LightningModule) -> list[Any]:
    """The states of all generators as plain values."""
    return [leaf.tolist() if hasattr(leaf, "tolist") else leaf for leaf in tree_leaves(rng_state(module))]
