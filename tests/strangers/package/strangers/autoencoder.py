"""The autoencoder of Lightning's documentation, with metrics and a scheduler."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import LearningRateMonitor
from torch import nn, optim, utils
from torchmetrics import MeanAbsoluteError, MeanMetric


class Pictures(utils.data.Dataset):
    """A horizontal or vertical stroke in each picture."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(2, (count,), generator=generator)
        self.rows = torch.randint(2, 26, (count,), generator=generator)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        picture = torch.zeros(1, 28, 28)
        picture[0, self.rows[index]] = 1
        return (picture.mT if self.labels[index] else picture), int(self.labels[index])


class Strokes(pl.LightningDataModule):
    """Pictures of strokes."""

    def __init__(self, batch_size=8):
        super().__init__()
        self.batch_size = batch_size

    def prepare_data(self):
        pass

    def setup(self, stage):
        if stage == "fit":
            self.strokes_train, self.strokes_val = Pictures(64, 0), Pictures(32, 1)
        if stage == "test":
            self.strokes_test = Pictures(32, 2)
        if stage == "predict":
            self.strokes_predict = Pictures(32, 2)

    def train_dataloader(self):
        return utils.data.DataLoader(self.strokes_train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return utils.data.DataLoader(self.strokes_val, batch_size=self.batch_size)

    def test_dataloader(self):
        return utils.data.DataLoader(self.strokes_test, batch_size=self.batch_size)

    def predict_dataloader(self):
        return utils.data.DataLoader(self.strokes_predict, batch_size=self.batch_size)


class LitAutoEncoder(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr = lr
        self.encoder = nn.Sequential(nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 28 * 28))
        self.val_mae = MeanAbsoluteError()
        self.mean_code = MeanMetric()

    def forward(self, x):
        # in lightning, forward defines the prediction/inference actions
        return self.encoder(x.view(x.size(0), -1))

    def training_step(self, batch, batch_idx):
        # training_step defines the train loop. It is independent of forward
        x, _ = batch
        x = x.view(x.size(0), -1)
        z = self.encoder(x)
        x_hat = self.decoder(z)
        loss = F.mse_loss(x_hat, x)
        # Logging to TensorBoard (if installed) by default
        self.log("train_loss", loss)
        self.log("code", self.mean_code(z.abs().mean()), on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, _ = batch
        x = x.view(x.size(0), -1)
        x_hat = self.decoder(self.encoder(x))
        self.val_mae(x_hat, x)
        self.log("val_mae", self.val_mae, on_step=True, on_epoch=True)
        self.log("val_loss", F.mse_loss(x_hat, x), on_step=True, on_epoch=True, prog_bar=True)

    def test_step(self, batch, batch_idx):
        x, _ = batch
        x = x.view(x.size(0), -1)
        self.log("test_loss", F.mse_loss(self.decoder(self.encoder(x)), x))

    def configure_callbacks(self):
        return [LearningRateMonitor(logging_interval="epoch")]

    def configure_optimizers(self):
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss", "interval": "epoch", "frequency": 1},
        }
