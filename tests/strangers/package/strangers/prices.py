"""Prices of houses: a regression on a table."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics import MeanSquaredError

from dlpipe.data import Split, TensorDataModule


class Houses(TensorDataModule):
    """200 houses with six columns each, and their prices in units of a million."""

    def load_splits(self):
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(200, 6, generator=generator)
        y = x @ torch.tensor([0.5, -0.2, 0.1, 0.0, 0.3, 0.7]) + 0.1 * torch.randn(200, generator=generator) - 0.4
        parts = zip(("train", "val", "test"), x.split([120, 40, 40]), y.split([120, 40, 40]), strict=True)
        return {name: Split(rows, prices) for name, rows, prices in parts}


class PriceModel(pl.LightningModule):
    """Two layers with dropout."""

    def __init__(self, num_features: int, hidden: int = 16, dropout: float = 0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Linear(num_features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1), nn.Flatten(0)
        )
        self.val_mse = MeanSquaredError()
        self.test_mse = MeanSquaredError()
        self.test_rmse = MeanSquaredError(squared=False)

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.mse_loss(self(x), y)
        self.log("train_mse", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.val_mse(self(x), y)
        self.log("val_mse", self.val_mse)

    def test_step(self, batch, batch_idx):
        x, y = batch
        prediction = self(x)
        self.test_mse(prediction, y)
        self.test_rmse(prediction, y)
        self.log_dict({"test_mse": self.test_mse, "test_rmse": self.test_rmse})
