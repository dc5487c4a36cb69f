"""Circles in noisy pictures: a label for each pixel."""

import matplotlib.pyplot as plt
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import BinaryJaccardIndex

from dlpipe.data import Split, TensorDataModule
from dlpipe.figures import figure_to_image


class Circles(TensorDataModule):
    """90 pictures of 16 x 16 pixels; y (examples, 16, 16) is 1 inside of the circle."""

    def load_splits(self):
        generator = torch.Generator().manual_seed(2)
        grid = torch.arange(16.0)
        center = 4 + 8 * torch.rand(90, 2, 1, 1, generator=generator)
        radius = 2 + 2 * torch.rand(90, 1, 1, generator=generator)
        y = ((grid.view(1, 16, 1) - center[:, 0]) ** 2 + (grid - center[:, 1]) ** 2 < radius**2).long()
        x = y.unsqueeze(1) + 0.5 * torch.randn(90, 1, 16, 16, generator=generator)
        names = ("train", "val", "test")
        return {name: Split(x[i * 30 : i * 30 + 30], y[i * 30 : i * 30 + 30]) for i, name in enumerate(names)}


class Segmenter(pl.LightningModule):
    """A small fully convolutional network."""

    def __init__(self, channels: int = 4, lr: float = 0.01):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout2d(0.1),
            nn.Conv2d(channels, 2, 3, padding=1),
        )
        self.iou = nn.ModuleDict({"val_iou": BinaryJaccardIndex(), "test_iou": BinaryJaccardIndex()})
        self.example = None

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train/step_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self._evaluate("val", *batch)

    def test_step(self, batch, batch_idx):
        self._evaluate("test", *batch)

    def _evaluate(self, split, x, y):
        logits = self(x)
        metric = self.iou[f"{split}_iou"]
        metric.update(logits.argmax(1), y)
        self.log(f"{split}/iou", metric, on_epoch=True)
        self.log(f"{split}/cross_entropy", F.cross_entropy(logits, y))

    def predict_step(self, batch, batch_idx):
        return (self(batch[0]).argmax(1) * 255).to(torch.uint8)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9, nesterov=True)

    def data_figures(self, data):
        x, _ = next(iter(data.test_dataloader()))
        figure, (left, right) = plt.subplots(1, 2)
        left.imshow(x[0, 0].numpy(force=True))
        right.imshow(self(x[:1])[0].argmax(0).numpy(force=True))
        return {"mask": figure_to_image(figure)}
