"""What a short run under LightningCLI or dlpipe needs besides the model: the times, and MNIST in DataLoaders."""

import json
import time
from pathlib import Path

import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import mnist

Batches = DataLoader[tuple[Tensor, ...]]
NUM_EXAMPLES = 10_000  # to train on


class Times(pl.Callback):
    """Write the times at which training starts and ends.

    Args:
        path: of the file, JSON.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        self.started = time.time()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, and write."""
        self.path.write_text(json.dumps([self.started, time.time()]))


class Mnist(pl.LightningDataModule):
    """10,000 examples to train on in minibatches of 20; 10,000 each to validate and to test, 1,000 at a time."""

    def setup(self, stage: str) -> None:
        """Read the files."""
        (x, y), self.val = mnist.train_and_val()
        self.train = x[:NUM_EXAMPLES], y[:NUM_EXAMPLES]

    def train_dataloader(self) -> Batches:
        """In order."""
        return DataLoader(TensorDataset(*self.train), batch_size=20)

    def val_dataloader(self) -> Batches:
        """All."""
        return DataLoader(TensorDataset(*self.val), batch_size=1000)

    def test_dataloader(self) -> Batches:
        """The validation set stands for one: it is as large."""
        return self.val_dataloader()
