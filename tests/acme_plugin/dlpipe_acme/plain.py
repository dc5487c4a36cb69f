import torch
from pytorch_lightning import LightningModule
from torch import nn
from torch.nn.functional import cross_entropy


class Net(LightningModule):
    """A network with one hidden layer, for pictures of 28 x 28 pixels."""

    def __init__(self, hidden: int = 64, lr: float = 0.001):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return cross_entropy(self.layers(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val/loss", cross_entropy(self.layers(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
