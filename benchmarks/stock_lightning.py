"""The same network in stock Lightning, with what its users usually have switched on."""

import json
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import loops
import mnist
import networks
import sequences
from cases import Case
from clock import Clock


class Classifier(pl.LightningModule):
    """A network and its optimizer; the loss of every step is logged."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        self.network = networks.network(case.model, case.stage)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a minibatch."""
        loss = networks.loss(self.network, self.case, *batch)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log val/loss."""
        self.log("val/loss", networks.loss(self.network, self.case, *batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The case's."""
        return networks.optimizer(self.network, self.case)


def lightning(case: Case, threads: int, device: str, folder: Path) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch."""
    torch.set_num_threads(threads)
    trainer = pl.Trainer(
        accelerator=device,
        devices=1,
        max_epochs=case.epochs,
        gradient_clip_val=case.clip,
        logger=CSVLogger(folder),
        callbacks=[ModelCheckpoint(folder / "checkpoints", monitor="val/loss"), Clock(str(folder / "clock.json"))],
    )
    trainer.fit(Classifier(case), loops.loader_of(case), _val_loader(case))
    return json.loads((folder / "clock.json").read_text())  # type: ignore[no-any-return]  # JSON


def _val_loader(case: Case) -> "DataLoader[tuple[Tensor, Tensor]]":
    if case.dataset == "mnist":
        val = TensorDataset(*mnist.train_and_val()[1])
        return DataLoader(val, case.batch_size)  # type: ignore[arg-type]  # of pairs
    return sequences.loader(sequences.examples(case, "val"), case.batch_size)
