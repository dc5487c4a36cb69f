"""A GAN of points in the plane, with manual optimization."""

import math

import matplotlib.pyplot as plt
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dlpipe.figures import figure_to_image


class Ring(pl.LightningDataModule):
    """Points around eight corners of a ring."""

    def __init__(self, batch_size: int = 20):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        generator = torch.Generator().manual_seed(0)
        angle = torch.randint(8, (160,), generator=generator) * (math.pi / 4)
        points = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(160, 2, generator=generator)
        self.train_set = TensorDataset(points[:100])
        self.val_set = TensorDataset(points[100:130])
        self.test_set = TensorDataset(points[130:])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=self.batch_size)


def mlp(num_in: int, hidden: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(num_in, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, num_out))


class GAN(pl.LightningModule):
    """Generative adversarial network (Goodfellow et al., 2014)."""

    def __init__(self, latent_dim: int = 4, hidden: int = 16, lr: float = 0.002, b1: float = 0.5, b2: float = 0.999):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator = mlp(latent_dim, hidden, 2)
        self.discriminator = mlp(2, hidden, 1)
        self.validation_z = torch.randn(64, latent_dim)

    def forward(self, z):
        return self.generator(z)

    def adversarial_loss(self, logits, real):
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def noise(self, count):
        return torch.randn(count, self.hparams.latent_dim, device=self.device)

    def training_step(self, batch):
        (points,) = batch
        optimizer_g, optimizer_d = self.optimizers()

        self.toggle_optimizer(optimizer_g)
        g_loss = self.adversarial_loss(self.discriminator(self(self.noise(len(points)))), True)
        self.log("g_loss", g_loss, prog_bar=True)
        self.manual_backward(g_loss)
        optimizer_g.step()
        optimizer_g.zero_grad()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real_loss = self.adversarial_loss(self.discriminator(points), True)
        fake_loss = self.adversarial_loss(self.discriminator(self(self.noise(len(points))).detach()), False)
        d_loss = (real_loss + fake_loss) / 2
        self.log("d_loss", d_loss, prog_bar=True)
        self.manual_backward(d_loss)
        optimizer_d.step()
        optimizer_d.zero_grad()
        self.untoggle_optimizer(optimizer_d)

    def on_train_epoch_end(self):
        self.lr_schedulers().step()

    def nearest(self, points):
        """Mean distance of generated points to the nearest real one."""
        return torch.cdist(self(self.validation_z.to(self.device)), points).min(1).values.mean()

    def validation_step(self, batch, batch_idx):
        self.log("val_distance", self.nearest(batch[0]))

    def test_step(self, batch, batch_idx):
        self.log("test_distance", self.nearest(batch[0]))

    def predict_step(self, batch, batch_idx):
        return self.discriminator(batch[0]).sigmoid().squeeze(1)

    def configure_optimizers(self):
        betas = (self.hparams.b1, self.hparams.b2)
        opt_g = torch.optim.Adam(self.generator.parameters(), lr=self.hparams.lr, betas=betas)
        opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=self.hparams.lr, betas=betas)
        return [opt_g, opt_d], [torch.optim.lr_scheduler.ExponentialLR(opt_g, 0.999)]

    def figures(self):
        figure, axes = plt.subplots(figsize=(3, 3))
        points = self(self.validation_z.to(self.device)).cpu()
        axes.scatter(points[:, 0], points[:, 1])
        return {"generated": figure_to_image(figure)}

    def sample(self, count, data):
        with torch.no_grad():
            return {"points.npy": self(self.noise(count)).cpu().numpy()}
