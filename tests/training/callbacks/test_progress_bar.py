"""The bar is drawn on a terminal and nowhere else, and seldom enough to cost nothing."""

import io

import pytorch_lightning as pl
import torch
from rich.console import Console

from dlpipe.training.callbacks import progress_bar
from dlpipe.training.callbacks.progress_bar import ProgressBar
from dlpipe.training.quiet import quiet_lightning


class Tiny(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.linear(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def drawn(monkeypatch, terminal, batches=500):
    out = io.StringIO()
    monkeypatch.setattr(progress_bar, "Console", lambda: Console(file=out, force_terminal=terminal, width=80))
    data = torch.utils.data.DataLoader(torch.zeros(batches, 1))
    with quiet_lightning():
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=2,
            callbacks=[ProgressBar()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Tiny(), data)
    return out.getvalue()


def test_draws_the_epoch_on_a_terminal(monkeypatch):
    text = drawn(monkeypatch, terminal=True)
    assert "epoch 1" in text
    assert "/500" in text


def test_draws_nothing_into_a_file(monkeypatch):
    assert drawn(monkeypatch, terminal=False) == ""


def test_draws_at_most_as_often_as_it_says(monkeypatch):
    now = iter(range(100_000))
    # a hundredth of a second a minibatch: every twentieth is drawn
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: next(now) / 100)
    text = drawn(monkeypatch, terminal=True, batches=200)
    assert 15 <= text.count("/200") <= 30
