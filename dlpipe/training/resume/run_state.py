"""What dlpipe adds to a checkpoint: RNG state, partial epoch means, frozen parameters and logger positions."""

from importlib.metadata import version
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torchmetrics import Metric

from dlpipe.plugins.load_class import load_class
from dlpipe.training.distributed.gather import gather_from_ranks
from dlpipe.training.lightning_private import (
    callback_metrics_store,
    epoch_means,
    restore_epoch_means,
    validation_batch_counts,
)
from dlpipe.training.resume.rng import restore_rng_state, rng_state

# the key in the checkpoint dict
KEY = "dlpipe"


class RunState(pl.Callback):
    """Save and restore what a resumed run's numbers and logs depend on, and Lightning does not save.

    Args:
        config: the run's config, as plain containers.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._saved: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add RNG state, partial epoch means and logger positions, from all ranks; and the model's arguments.

        Lightning's ``load_from_checkpoint`` passes them to the constructor. A stage's own module is built by the model.
        """
        options = self.config["model"]
        if type(pl_module) is load_class("model", options["name"]):
            arguments = {name: value for name, value in options.items() if name not in ("name", "_target_")}
            checkpoint.setdefault(pl_module.CHECKPOINT_HYPER_PARAMS_KEY, arguments)
        checkpoint[KEY] = {
            "versions": {"dlpipe": version("dlpipe"), "torch": str(torch.__version__)},
            "config": self.config,
            "rng_states": gather_from_ranks(rng_state(pl_module)),
            "epoch_means": gather_from_ranks(epoch_means(trainer)),
            "metric_states": gather_from_ranks(_metric_states(pl_module)),
            "validation_batch_counts": dict(validation_batch_counts(trainer)),
            "frozen": [name for name, parameter in pl_module.named_parameters() if not parameter.requires_grad],
            "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
            "logger_positions": [log.position() if hasattr(log, "position") else None for log in trainer.loggers],
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Rewind the loggers, and keep the rest until training starts."""
        if trainer.state.fn != "fit":  # the test of the best weights
            return
        self._saved = saved = checkpoint[KEY]
        trainer.fit_loop.epoch_loop.processes_before = len(saved["rng_states"])
        self._restore_rng_state(trainer, pl_module)  # for the test, if training is done
        positions = dict(zip(saved["config"]["logger"], saved["logger_positions"], strict=False))
        for name, log in zip(self.config["logger"], trainer.loggers, strict=False):  # rank 0 alone has loggers
            if (position := positions.get(name)) is not None:
                log.rewind(position)  # type: ignore[attr-defined]  # it has a position

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore it; in mid-epoch the loop restores the RNG state again, once it has found its minibatch."""
        if self._saved is None:
            return
        self._restore_rng_state(trainer, pl_module)
        saved, self._saved, rank = self._saved, None, trainer.global_rank
        if rank < len(saved["rng_states"]):  # there may be more ranks than before
            trainer.fit_loop.epoch_loop.rng_state = saved["rng_states"][rank]
            restore_epoch_means(trainer, saved["epoch_means"][rank])
            _restore_metric_states(pl_module, saved["metric_states"][rank])
        validation_batch_counts(trainer).update(saved["validation_batch_counts"])
        for name, parameter in pl_module.named_parameters():  # a callback may freeze and unfreeze them
            parameter.requires_grad = name not in saved["frozen"]
        metrics = {name: torch.tensor(value) for name, value in saved["metrics"].items()}
        callback_metrics_store(trainer).update(metrics)

    def _restore_rng_state(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Restore this rank's; a rank that is new keeps its own."""
        assert self._saved is not None
        if trainer.global_rank < len(self._saved["rng_states"]):
            restore_rng_state(self._saved["rng_states"][trainer.global_rank], module)


def _metric_states(module: pl.LightningModule) -> dict[str, dict[str, Any]]:
    """The states of a module's torchmetrics, which are not in its state_dict, by their path."""
    states = {}
    for path, part in module.named_modules():
        if isinstance(part, Metric):
            own = {name: getattr(part, name) for name in (*part._defaults, "_update_count")}
            states[path] = apply_to_collection(own, Tensor, lambda tensor: tensor.detach().clone())
    return states


def _restore_metric_states(module: pl.LightningModule, saved: dict[str, dict[str, Any]]) -> None:
    for path, part in module.named_modules():
        for name, value in saved.get(path, {}).items():
            setattr(part, name, apply_to_collection(value, Tensor, lambda tensor: tensor.to(part.device)))  # noqa: B023
