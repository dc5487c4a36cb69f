"""Shard every training minibatch over the ranks; each rank sees all of the validation and test data."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader, IterableDataset

from dlpipe.data import Minibatches
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.data.minibatches import Shard
from dlpipe.training.distributed.rank_info import RankInfo

log = logging.getLogger(__name__)


def shard_training_data(data: pl.LightningDataModule, rank_info: RankInfo) -> None:
    """Shard the training data over the ranks.

    Validation and test data are not sharded: every rank evaluates all of it, so that a metric needs no reduction, no
    example is counted twice, and all ranks decide alike. Lightning would pad the split and leave each rank a mean of
    its own.
    """
    if isinstance(data, InMemoryDataModule):
        data.shard = Shard(rank_info.rank, rank_info.world_size)
    for name in ("val_dataloader", "test_dataloader"):
        if is_overridden(name, data, pl.LightningDataModule):
            hook = getattr(data, name)
            setattr(data, name, lambda hook=hook: tree_map(UnshardedLoader, hook()))
    data.train_dataloader = _warn_if_unsharded(data.train_dataloader, rank_info)  # type: ignore[method-assign]


class UnevenShardLossScaling(pl.Callback):
    """Weight a rank's gradient by its share of the minibatch, where the last one is not split evenly.

    The mean over ranks, which DDP computes, is then the mean over the minibatch's examples.
    """

    def __init__(self) -> None:
        self.weight = 1.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look up the weight of this rank's shard."""
        loader = trainer.train_dataloader
        self.weight = loader.loss_weight(batch_idx) if isinstance(loader, Minibatches) else 1.0

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Multiply the gradient by the weight."""
        if (weight := self.weight) != 1.0:
            loss.register_hook(lambda gradient: gradient * weight)  # type: ignore[no-untyped-call]


class UnshardedLoader:
    """Hides a DataLoader as a plain iterable from Lightning, which would shard and pad it."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader)


def _warn_if_unsharded(hook: Callable[[], Any], rank_info: RankInfo) -> Callable[[], Any]:
    def loaders() -> Any:
        found = hook()
        for loader in tree_leaves(found):
            is_sharded_by_lightning = isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset)
            if rank_info.rank == 0 and not (is_sharded_by_lightning or isinstance(loader, Minibatches)):
                log.warning(
                    "train_dataloader gives a %s, which cannot be sharded over %d processes: each trains on all of it "
                    "unless the loader shards itself. Use a DataLoader over a map-style dataset or a TensorDataModule",
                    type(loader).__name__,
                    rank_info.world_size,
                )
        return found

    return loaders
