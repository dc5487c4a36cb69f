"""Several tags for each example."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics import MetricCollection
from torchmetrics.classification import MultilabelAccuracy, MultilabelF1Score


class Tags(pl.LightningDataModule):
    """200 examples of eight numbers; tag k says whether two of them have a sum above zero."""

    num_tags = 4

    def __init__(self, batch_size: int = 16, num_workers: int = 0):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str) -> None:
        x = torch.randn(200, 8, generator=torch.Generator().manual_seed(3))
        y = (x[:, :4] + x[:, 4:] > 0).float()
        generator = torch.Generator().manual_seed(42)
        parts = random_split(TensorDataset(x, y), [0.6, 0.2, 0.2], generator=generator)
        self.train, self.val, self.test = parts

    def train_dataloader(self):
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self):
        return self._loader(self.val)

    def test_dataloader(self):
        return self._loader(self.test)

    def predict_dataloader(self):
        return self._loader(self.test)

    def _loader(self, part, **options):
        return DataLoader(part, self.hparams.batch_size, num_workers=self.hparams.num_workers, **options)


class Tagger(pl.LightningModule):
    """An MLP with a sigmoid for each tag; the learning rate follows one cycle."""

    def __init__(self, hidden: int = 16, max_lr: float = 0.02, threshold: float = 0.5):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(8, hidden), nn.Tanh(), nn.Dropout(0.1), nn.Linear(hidden, Tags.num_tags))
        self.criterion = nn.BCEWithLogitsLoss(pos_weight=torch.ones(Tags.num_tags))
        metrics = MetricCollection({"f1": MultilabelF1Score(Tags.num_tags), "acc": MultilabelAccuracy(Tags.num_tags)})
        self.train_metrics = metrics.clone(prefix="train_")
        self.val_metrics = metrics.clone(prefix="val_")
        self.test_metrics = metrics.clone(prefix="test_")

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.train_metrics.update(logits, y.int())
        loss = self.criterion(logits, y)
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def on_train_epoch_end(self):
        self.log_dict(self.train_metrics.compute())
        self.train_metrics.reset()

    def validation_step(self, batch, batch_idx):
        self._evaluate(batch, "val", self.val_metrics)

    def test_step(self, batch, batch_idx):
        self._evaluate(batch, "test", self.test_metrics)

    def _evaluate(self, batch, split, metrics):
        x, y = batch
        logits = self(x)
        metrics.update(logits, y.int())
        self.log(f"{split}_loss", self.criterion(logits, y), prog_bar=True)
        self.log_dict(metrics)

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return (self(batch[0]).sigmoid() > self.hparams.threshold).int()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.max_lr)
        steps = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.hparams.max_lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
