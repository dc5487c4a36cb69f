"""Every private name of Lightning that dlpipe uses, and what each is relied on for.

Lightning has no public way to run code between two steps of its loop, to train several minibatches in one step, or to
save an epoch's running means; so its loops are subclassed and its log is read. No other file of dlpipe names anything
private of Lightning, and tests/training/test_lightning_private.py pins the names: after an upgrade, look here.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.types import _Stateful
from pytorch_lightning.loggers import MLFlowLogger
from pytorch_lightning.loops.fetchers import _DataFetcher, _DataLoaderIterDataFetcher
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.optimization.automatic import _AutomaticOptimization
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.strategies import Strategy
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from pytorch_lightning.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync

# gives (batch, batch_idx, dataloader_idx); `fetched` counts the batches and `combined_loader` holds the DataLoaders
DataFetcher = _DataFetcher
# the fetcher of a training_step that takes the iterator itself
IteratorFetcher = _DataLoaderIterDataFetcher
# the loop over epochs; `on_advance_end` runs after each epoch, and `trainer.fit_loop` may be replaced before fit
FitLoop = _FitLoop
# `run(optimizer, batch_idx, kwargs)` makes one update and returns {"loss": ...}; `optim_progress` counts them
AutomaticOptimization = _AutomaticOptimization
# a loader with state_dict and load_state_dict, whose position Lightning saves and restores
StatefulLoader = _Stateful


class EpochLoop(_TrainingEpochLoop):
    """The loop over an epoch, with public names for what its subclasses read and count.

    `reset`, `on_run_start`, `advance` and `on_advance_end`, which they override, are public.
    """

    @property
    def is_training_done(self) -> bool:
        """Whether this epoch or ``max_steps`` has no update left."""
        return self._is_training_done

    @property
    def is_epoch_trained(self) -> bool:
        """Whether the epoch's last minibatch has been started."""
        return self._num_ready_batches_reached()

    @property
    def is_accumulating(self) -> bool:
        """Whether the last minibatch only added to the gradients."""
        return self._should_accumulate()

    @property
    def logging_step(self) -> int:
        """The step under which Lightning logs; it counts updates, over all optimizers."""
        return self._batches_that_stepped

    @logging_step.setter
    def logging_step(self, step: int) -> None:
        self._batches_that_stepped = step


def is_accumulating(trainer: pl.Trainer) -> bool:
    """Whether this minibatch only adds to the gradients: the optimizer steps after a later one."""
    return trainer.fit_loop._should_accumulate()


def mark_resumed(fit_loop: _FitLoop) -> None:
    """Let hooks and LR schedulers behave as in any epoch from here: `is_resuming` of the loops reads the second."""
    fit_loop.restarting = False
    fit_loop._loaded_from_state_dict = False


def single_loader_iterator(fetcher: _DataFetcher) -> Iterator[Any]:
    """The iterator over the only DataLoader, below the fetcher's counts and profiler."""
    return fetcher.combined_loader._iterator.iterators[0]  # type: ignore[union-attr]


def count_fetched(fetcher: _DataFetcher, count: int) -> None:
    """Count batches that were taken from `single_loader_iterator` instead of the fetcher."""
    fetcher.combined_loader._iterator._idx += count  # type: ignore[union-attr]
    fetcher.fetched += count


def before_transfer_hook(module: pl.LightningModule) -> Callable[..., Any]:
    """``hook(batch, dataloader_idx=0)``: what Lightning does with a batch before it goes to the device."""
    return module._on_before_batch_transfer


def batch_start_hook(trainer: pl.Trainer) -> Callable[[Any], None]:
    """``hook(batch)``: tells ``self.log`` which batch's size weighs an epoch's mean, and whether it is the first."""
    return trainer._logger_connector.on_batch_start


def set_current_hook(module: pl.LightningModule, name: str | None) -> str | None:
    """Let ``self.log`` believe that it is called in this hook; returns the hook before.

    `self.log` raises outside a hook, and keys its results by it.
    """
    before = module._current_fx_name
    module._current_fx_name = name
    return before


def replace_trainer(module: pl.LightningModule, stand_in: Any) -> None:
    """Set what ``self.trainer`` and all that reads it gets; its setter would look for the trainer's own attributes."""
    vars(module)["_trainer"] = stand_in


def callback_metrics_store(trainer: pl.Trainer) -> dict[str, Any]:
    """The dictionary that ``trainer.callback_metrics`` updates and returns: what is written here is read there."""
    return trainer._logger_connector._callback_metrics


def training_results(trainer: pl.Trainer) -> dict[str, _ResultMetric]:
    """What ``self.log`` has collected in this epoch of training, by Lightning's key of hook and name."""
    return trainer.fit_loop.epoch_loop._results


def logged_in_validation(trainer: pl.Trainer) -> set[str]:
    """The names that ``self.log`` was given in the last validation of a fit."""
    results: dict[str, _ResultMetric] = trainer.fit_loop.epoch_loop.val_loop._results
    return {result.meta.name for result in results.values()}


def validation_batch_counts(trainer: pl.Trainer) -> dict[int, int]:
    """Lightning's own count of each validation DataLoader's batches in the fit so far, by the DataLoader's index.

    It is the step under which Lightning logs the ``on_step`` metrics of `validation_step`. Its checkpoints lack it.
    """
    counts: dict[int, int] = trainer.fit_loop.epoch_loop.val_loop._seen_batches_per_dataloader
    return counts


def epoch_means(trainer: pl.Trainer) -> dict[str, dict[str, Any]]:
    """Each mean (sum, minimum, maximum) that ``self.log`` has collected in the epoch so far, by Lightning's key.

    Its value, its weight and how it was logged, in tensors and plain containers; Lightning's checkpoints lack them.
    """
    states = {}
    for key, result in training_results(trainer).items():
        if result.is_tensor and not result.has_reset and result.meta.sync.group is None:
            meta = {field.name: getattr(result.meta, field.name) for field in dataclasses.fields(result.meta)}
            states[key] = {
                "meta": meta | {"reduce_fx": result.meta.reduce_fx.__name__, "_sync": None},
                "sync_dist": result.meta.sync.should,
                "rank_zero_only": result.meta.sync.rank_zero_only,
                "updates": result._update_count,
                "value": result.value.detach().clone(),
                "weight": getattr(result, "cumulated_batch_size", None),
            }
    return states


def restore_epoch_means(trainer: pl.Trainer, states: dict[str, dict[str, Any]]) -> None:
    """Put back what `epoch_means` returned, on the strategy's device."""
    if states:  # take the next batch for the epoch's second or later: at the first, Lightning resets the results
        trainer._logger_connector._first_loop_iter = True
    strategy = trainer.strategy
    for key, state in states.items():
        meta, device = _Metadata(**state["meta"]), strategy.root_device
        meta.sync = _Sync(_should=state["sync_dist"], fn=strategy.reduce, rank_zero_only=state["rank_zero_only"])
        result = training_results(trainer)[key] = _ResultMetric(meta, True).to(device)
        result.value, result._update_count = state["value"].to(device), state["updates"]
        if state["weight"] is not None:
            result.cumulated_batch_size = torch.as_tensor(state["weight"]).to(device)


def starts_own_processes(strategy: Strategy) -> bool:
    """Whether the strategy would spawn or fork its ranks from this process."""
    return isinstance(strategy.launcher, _MultiProcessingLauncher)


def saves_sharded_checkpoints(strategy: Strategy) -> bool:
    """Whether each rank would write its own part of a checkpoint, as FSDP does unless asked for ``full``."""
    return getattr(strategy, "_state_dict_type", "full") != "full"


def adopt_mlflow_run(logger: MLFlowLogger, experiment_id: str) -> None:
    """Let ``logger.experiment`` be its client at once: by itself it sets MLflow's store for the whole process."""
    logger._experiment_id = experiment_id
    logger._initialized = True
