"""Metrics under the names that people give them: which one chooses the best weights, and what the terminal shows."""

import json
import re

import pytest

MODELS = """
import pytorch_lightning as pl, torch
from torch.nn import functional as F

class Plain(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
        self.count = 0
    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self.linear(x), y)
        self.log("train_loss", loss, prog_bar=True)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

class Loss(Plain):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self.linear(batch[0]), batch[1]))

class Scores(Plain):  # the first epoch has the lowest val_acc and the best is the second
    def on_validation_epoch_end(self):
        self.count += 1
        self.log("val_acc", (0.5, 0.9, 0.7, 0.6)[self.count - 1])
        self.log("val/mse", 1.0 / self.count)
    def validation_step(self, batch, batch_idx):
        pass

class Silent(Plain):
    def validation_step(self, batch, batch_idx):
        return F.cross_entropy(self.linear(batch[0]), batch[1])

class Diverges(Plain):
    def validation_step(self, batch, batch_idx):
        self.count += 1
        self.log("val_loss", torch.tensor(0.5 if self.count == 1 else torch.nan))
"""
NAMES = ("Plain", "Loss", "Scores", "Silent", "Diverges")
SHORT = ("recipe.max_epochs=3", "trainer.limit_train_batches=3", "hydra.run.dir=r")


@pytest.fixture(autouse=True)
def models(install) -> None:
    """The models above, by the names of their classes."""
    install("dlpipe-strange", {name: f"strange:{name}" for name in NAMES}, {"strange/__init__.py": MODELS})


def summary_of(result):
    assert result.code == 0, result.out + result.err
    return json.loads((result.folder / "r" / "summary.json").read_text())


def test_val_loss_is_monitored_by_itself(cli):
    best = summary_of(cli("model=Loss", *SHORT))["best"]
    assert (best["metric"], best["mode"]) == ("val_loss", "min")


def test_a_run_without_a_monitored_metric_says_once_which_there_are_and_how_to_choose(cli):
    result = cli("model=Scores", *SHORT)
    assert summary_of(result)["best"] is None
    message = (
        "the validation logs val_acc, val/mse: choose one with recipe.monitor=val_acc, and recipe.monitor_mode=max"
    )
    assert (result.out + result.err).count(message) == 1


def test_a_run_whose_validation_logs_nothing_says_so(cli):
    result = cli("model=Silent", *SHORT)
    message = "no metric is monitored, so the last weights count as the best; the validation logs none\n"
    assert (result.out + result.err).count(message) == 1


def test_a_metric_of_which_more_is_better_chooses_the_best(cli):
    result = cli("model=Scores", "recipe.monitor=val_acc", "recipe.monitor_mode=max", *SHORT)
    best = summary_of(result)["best"]
    assert (best["metric"], best["value"], best["epoch"], best["mode"]) == ("val_acc", pytest.approx(0.9), 2, "max")
    assert "best val_acc 0.900000" in result.out + result.err


def test_the_lowest_value_of_an_accuracy_is_the_best_only_with_a_warning(cli):
    result = cli("model=Scores", "recipe.monitor=val_acc", *SHORT)
    assert summary_of(result)["best"]["epoch"] == 1
    assert "set recipe.monitor_mode=max if more is better" in result.out + result.err
    assert "monitor_mode" not in cli("model=Scores", "recipe.monitor=val/mse", *SHORT[:2], "hydra.run.dir=other").out


def test_a_metric_that_is_not_logged_is_refused_before_training_with_those_that_are(cli):
    result = cli("model=Scores", "recipe.monitor=val/acc", *SHORT)
    assert result.code == 2
    message = "  recipe.monitor=val/acc was not logged; did you mean 'val_acc'? logged: train_loss, val/mse, val_acc"
    assert message in result.err.splitlines()
    assert result.written == []


def test_a_metric_is_refused_before_training_where_nothing_is_validated(cli):
    result = cli("model=Plain", "recipe.monitor=train_loss", *SHORT)
    assert result.code == 2
    assert "  recipe.monitor=train_loss needs a validation: Plain has no validation_step" in result.err.splitlines()


def test_a_run_without_validation_prints_its_training_metrics_once_an_epoch(cli):
    result = cli("model=Plain", *SHORT)
    lines = re.findall(r"epoch (\d), minibatch 3/3, .*", result.out + result.err)
    assert lines == ["1", "2", "3"]
    assert re.search(r"epoch 1, minibatch 3/3, train_loss \d\.\d+, train loss \d\.\d+", result.out + result.err)


def test_every_metric_of_the_validation_is_printed_whatever_its_name(cli):
    result = cli("model=Scores", *SHORT)
    assert "epoch 2, minibatch 3/3, val_acc 0.900000, validation mse 0.500000\n" in result.out + result.err


def test_a_run_whose_val_loss_is_nan_says_so_and_ends_as_diverged(cli):
    result = cli("model=Diverges", *SHORT)
    assert result.code == 1
    assert "val_loss is nan in epoch 2" in result.out + result.err
    assert json.loads((result.folder / "r" / "summary.json").read_text())["status"] == "diverged"
    warned = cli("model=Diverges", "on_nan=warn", *SHORT[:2], "hydra.run.dir=w")
    assert warned.code == 0
    best = json.loads((warned.folder / "w" / "summary.json").read_text())["best"]
    assert (best["value"], best["epoch"]) == (0.5, 1)
