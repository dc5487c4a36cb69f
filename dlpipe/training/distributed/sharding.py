"""What each rank sees: its part of every training minibatch, and all of the validation and test data."""

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


def shard_training_data(data: pl.LightningDataModule, here: RankInfo) -> None:
    """Divide the training data among several ranks.

    Evaluation is not divided: every rank sees all of it, so that a metric needs no reduction, no example is
    counted twice, and all ranks decide alike. Lightning would pad the split and leave each rank with a mean of its own.
    """
    if isinstance(data, InMemoryDataModule):
        data.shard = Shard(here.rank, here.world_size)
    for name in ("val_dataloader", "test_dataloader"):
        if is_overridden(name, data, pl.LightningDataModule):
            setattr(data, name, _whole(getattr(data, name)))
    data.train_dataloader = _divided(data.train_dataloader, here)  # type: ignore[method-assign]


class UnevenShardLossScaling(pl.Callback):
    """Weigh the gradient of a rank by its share of the minibatch, where a last one is not divided evenly.

    The mean over ranks, which is what they exchange, is then the mean over the minibatch's examples.
    """

    def __init__(self) -> None:
        self.share = 1.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the share."""
        loader = trainer.train_dataloader
        self.share = loader.loss_weight(batch_idx) if isinstance(loader, Minibatches) else 1.0

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Weigh."""
        share = self.share
        if share != 1.0:
            loss.register_hook(lambda gradient: gradient * share)  # type: ignore[no-untyped-call]


class UnshardedLoader:
    """A loader as a plain iterable, which Lightning leaves whole; a DataLoader it would divide and pad."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader)


def _whole(hook: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: tree_map(UnshardedLoader, hook())


def _divided(hook: Callable[[], Any], here: RankInfo) -> Callable[[], Any]:
    def loaders() -> Any:
        found = hook()
        for loader in tree_leaves(found):
            of_lightning = isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset)
            if here.rank == 0 and not (of_lightning or isinstance(loader, Minibatches)):
                log.warning(
                    "train_dataloader gives a %s, which cannot be divided among %d processes: each trains on all of it "
                    "unless it takes its own part. Give a DataLoader over a map-style dataset, or a TensorDataModule",
                    type(loader).__name__,
                    here.world_size,
                )
        return found

    return loaders
