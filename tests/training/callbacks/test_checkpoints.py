"""Which validation is the best, and when the last checkpoint is due."""

from types import SimpleNamespace

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from dlpipe.training.callbacks import checkpoints
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.quiet import quiet_lightning


class Scripted(pl.LightningModule):
    """Whose validation error is the next of these numbers."""

    def __init__(self, errors):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.errors = iter(errors)

    def training_step(self, batch, batch_idx):
        return self.weight * 0.0

    def validation_step(self, batch, batch_idx):
        self.log("val/error", next(self.errors), batch_size=1)

    def train_dataloader(self):
        return DataLoader(torch.zeros(2, 1))

    def val_dataloader(self):
        return DataLoader(torch.zeros(1, 1))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_neither_sanity_checking_nor_trainer_validate_is_the_best_validation(tmp_path):
    sanity_checking, training, validate = 0.25, 0.5, 0.125
    module, callback = Scripted([sanity_checking, training, validate]), BestAndLast(str(tmp_path))
    with quiet_lightning():
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            callbacks=[callback],
            num_sanity_val_steps=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module)
        best = dict(callback.best)
        trainer.validate(module, verbose=False)
    assert best == callback.best == {"metric": "val/error", "value": 0.5, "update": 2, "epoch": 1, "mode": "min"}


def test_the_last_checkpoint_is_saved_when_it_is_so_many_minutes_old(tmp_path, monkeypatch):
    now, saved = [1000.0], []
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: now[0]))
    trainer = SimpleNamespace(
        current_epoch=0,
        global_step=0,
        world_size=1,
        is_global_zero=True,
        save_checkpoint=lambda path: saved.append((path.name, now[0] - 1000)),
    )
    callback = BestAndLast(str(tmp_path), every_minutes=1.5)
    callback.on_train_start(trainer, None)
    for second in (2, 89, 91, 100, 180, 182, 200):
        now[0] = 1000.0 + second
        callback.on_safe_point(trainer, None)
    assert saved == [("last.ckpt", 91), ("last.ckpt", 182)]
