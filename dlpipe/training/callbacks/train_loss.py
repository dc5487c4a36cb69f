"""The mean training loss of an epoch, for modules that do not log one."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from dlpipe.contract import optional_method
from dlpipe.data import Minibatches
from dlpipe.training.distributed.gather import gather_from_ranks
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.lightning_private import training_results

BLOCK = 100  # losses added at once: reading them one by one would cost as much as training a small model


class EpochMeanLoss(pl.Callback):
    """Log ``train/loss``: the mean over an epoch's updates, and over ranks, of what ``training_step`` returned.

    Summed on the device and read once an epoch: `self.log` in every step costs more than a step of a small model.
    A module's ``penalty()``, which the optimizer's weight decay stands for, is added for the epoch's last
    weights. A module that logs ``train/loss`` itself is left alone.
    """

    def __init__(self) -> None:
        self.losses: list[Tensor] = []  # not yet added to the total
        self.total = torch.zeros((), dtype=torch.float64)
        self.count = 0
        self.sharded_loader: Minibatches | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note whether minibatches are sharded, and move the sums to the module's device."""
        loader = trainer.train_dataloader
        self.sharded_loader = loader if trainer.world_size > 1 and isinstance(loader, Minibatches) else None
        self.total, self.losses = self.total.to(pl_module.device), [loss.to(pl_module.device) for loss in self.losses]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start a new sum, in double precision: thousands of losses are added."""
        self.total, self.count = torch.zeros_like(self.total), 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the loss of one minibatch."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            loss = loss.detach()
            if (window := trainer.accumulate_grad_batches) != 1:  # over which Lightning has divided it
                loss = loss * window
            self.on_minibatches([loss * self.sharded_loader.loss_weight(batch_idx) if self.sharded_loader else loss])

    def next_update(self) -> float:
        """Infinity: the losses of skipped minibatches come to `on_minibatches`."""
        return float("inf")

    def on_minibatches(self, losses: list[Tensor]) -> None:
        """Add losses in blocks, which are the same however minibatches were trained, so that rounding is too."""
        self.losses += losses
        while len(self.losses) >= BLOCK:
            self._add(BLOCK)

    def _add(self, count: int) -> None:
        self.total += torch.stack(self.losses[:count]).double().sum()
        self.count += count
        del self.losses[:count]

    def sum_so_far(self) -> Tensor:
        """The sum of the epoch's losses; all of them stay as they are."""
        return self.total + torch.stack(self.losses).double().sum() if self.losses else self.total

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the mean."""
        if self.losses:
            self._add(len(self.losses))
        if self.count and not _logged_in_a_step(trainer):
            mean = self.total / self.count
            penalty = optional_method(pl_module, "penalty")
            pl_module.log("train/loss", mean + penalty() if penalty else mean, batch_size=1, sync_dist=True)

    def state_dict(self) -> dict[str, Any]:
        """Each rank's sum so far."""
        return {"ranks": gather_from_ranks({"losses": list(self.losses), "total": self.total, "count": self.count})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`; a rank that is new starts from nothing."""
        for own in state_dict["ranks"][get_rank_info().rank :][:1]:
            self.losses, self.total, self.count = list(own["losses"]), own["total"], own["count"]


def _logged_in_a_step(trainer: pl.Trainer) -> bool:
    """Whether the module logs it; Lightning keeps what this callback logged at the end of earlier epochs, too."""
    metas = [result.meta for result in training_results(trainer).values()]
    return any(meta.name == "train/loss" and meta.fx != "on_train_epoch_end" for meta in metas)
