"""A run whose numbers are not finite is no result: not for its summary, its best weights, a sweep, or Optuna."""

import json
import math
import re

import pytest
import torch

from dlpipe.cli import hydra_task
from dlpipe.runs.checkpoint_file import read_checkpoint

# each class logs val/error as the argmax of outputs, which is class 0 where they are NaN; nothing else is monitored
MODELS = """
import pytorch_lightning as pl, torch
from torch.nn import functional as F

class Judge(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
        self.register_buffer("mask", torch.full((10,), -torch.inf))  # never finite, and right
    def loss(self, batch):
        return F.cross_entropy(self.linear(batch[0]), batch[1])
    def training_step(self, batch, batch_idx):
        return self.loss(batch)
    def error(self, batch):
        return (self.linear(batch[0]).argmax(1) != batch[1]).double().mean()
    def validation_step(self, batch, batch_idx):
        self.log("val/error", self.error(batch), batch_size=len(batch[1]))
    def test_step(self, batch, batch_idx):
        self.log("test/error", self.error(batch), batch_size=len(batch[1]))

class Explodes(Judge):  # only the weights show it, after the step
    def training_step(self, batch, batch_idx):
        return self.loss(batch) * 1e38

class ByHand(Judge):  # no loss is returned at all
    automatic_optimization = False
    def training_step(self, batch, batch_idx):
        with torch.no_grad():
            self.linear.weight.mul_(torch.nan)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

class OneNanLoss(Judge):  # one minibatch in mid-epoch, which does not reach the weights
    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        return loss + torch.nan_to_num(loss * 0) + loss.detach() * (torch.nan if batch_idx == 2 else 0)

class OwnLog(OneNanLoss):  # and a mean of its own that hides it
    def training_step(self, batch, batch_idx):
        self.log("train/loss", 1.0)
        return super().training_step(batch, batch_idx)

class ReturnsNan(Judge):  # the outputs of the validation alone
    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        return {"outputs": self.linear(batch[0]) * torch.nan}

class NanValLoss(Judge):
    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("val_loss", torch.tensor(torch.nan))

class NanError(Judge):  # the monitored metric alone, of steps that return nothing
    def validation_step(self, batch, batch_idx):
        self.log("val/error", torch.tensor(torch.nan))

class NanErrorOfOneBatch(Judge):  # which is the first of several
    def validation_step(self, batch, batch_idx):
        self.log("val/error", torch.tensor(torch.nan if batch_idx == 0 else 0.0), batch_size=len(batch[1]))

class NanUnderscore(Judge):
    def validation_step(self, batch, batch_idx):
        self.log("val_error", torch.tensor(torch.nan))

class NanScore(Judge):  # as of a class that no example has; the error is finite
    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("val/auroc", torch.tensor(torch.nan))

class InfiniteScore(Judge):
    def validation_step(self, batch, batch_idx):
        self.log("val/score", torch.tensor(torch.inf))

class Statistics(Judge):  # a buffer, as of a BatchNorm
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
    def training_step(self, batch, batch_idx):
        self.mean.mul_(torch.nan)
        return self.loss(batch)

class Recovers(Judge):  # NaN in the first epoch's validation alone
    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        if self.current_epoch == 0:
            self.log("val/error", torch.tensor(0.0))
            return self.linear(batch[0]) * torch.nan

class Late(Judge):  # NaN in the second epoch
    def training_step(self, batch, batch_idx):
        return self.loss(batch) * (torch.nan if self.current_epoch == 1 else 1)
"""
CASES = {
    "Explodes": "the sum of the training losses is (nan|inf)",
    "ByHand": "linear.weight is nan",
    "OneNanLoss": "the sum of the training losses is nan",
    "OwnLog": "the sum of the training losses is nan",
    "ReturnsNan": "an output of validation_step is nan",
    "NanValLoss": "val_loss is nan",
    "NanError": "val/error is nan",
    "NanErrorOfOneBatch": "val/error is nan",
    "NanUnderscore": "val_error is nan",
    "InfiniteScore": "val/score is inf",
    "Statistics": "mean is nan",
}
SHORT = ("recipe.batch_size=100", "recipe.max_epochs=3", "hydra.run.dir=r")
OPTIONS = {"InfiniteScore": ("recipe.monitor=val/score", "recipe.monitor_mode=max")}


@pytest.fixture
def models(install) -> None:
    """The models above, by the names of their classes."""
    names = [line.split("(")[0].removeprefix("class ") for line in MODELS.splitlines() if line.startswith("class ")]
    install("dlpipe-odd", {name: f"odd:{name}" for name in names}, {"odd/__init__.py": MODELS})


def summary(result, run="r"):
    return json.loads((result.folder / run / "summary.json").read_text())


@pytest.mark.parametrize(("model", "reason"), CASES.items())
def test_numbers_computed_from_outputs_that_are_not_finite_stop_the_run(model, reason, models, cli):
    result = cli(f"model={model}", *SHORT, *OPTIONS.get(model, ()))
    assert result.code == 1
    assert summary(result)["status"] == summary(result)["stopped_by"] == "diverged"
    assert summary(result)["best"] is None
    assert not summary(result)["test"]
    pattern = rf"{reason} in epoch 1, by update \d+: training diverged and is stopped; try a smaller recipe.lr"
    assert len(re.findall(pattern, result.out)) == 1, result.out
    assert not (result.folder / "r" / "checkpoints" / "best.ckpt").exists()
    assert "to resume" not in result.out


def test_another_metric_may_be_nan(models, cli):
    result = cli("model=NanScore", *SHORT)
    assert result.code == 0
    assert summary(result)["status"] == "finished"


@pytest.mark.parametrize("model", ["mlp", "logreg", "lenet"])
def test_a_learning_rate_that_is_far_too_large_stops_the_run(model, cli):
    result = cli(f"model={model}", "recipe.lr=1e38", *SHORT)
    assert result.code == 1
    assert summary(result)["status"] == "diverged"


def test_a_stage_that_diverges_stops_the_run_before_the_next(cli):
    stage = "recipe.stages={pretrain: {lr: 1e38, max_epochs: 1}}"
    result = cli("model=dbn", stage, *SHORT, "recipe.max_epochs=1", "model.hidden_sizes=[20,20]")
    assert result.code == 1
    assert summary(result)["status"] == "diverged"
    assert len(summary(result)["stages"]) == 1


def test_a_run_that_diverges_late_keeps_its_best_finite_weights_and_is_not_tested(models, cli):
    result = cli("model=Late", *SHORT)
    found = summary(result)
    assert (result.code, found["status"], found["best"]["epoch"], found["test"]) == (1, "diverged", 1, {})
    best = read_checkpoint(result.folder / "r" / "checkpoints" / "best.ckpt")
    assert all(tensor.isfinite().all() for name, tensor in best["state_dict"].items() if name != "mask")
    assert cli("model=Judge", "init_from=r", *SHORT[:2], "hydra.run.dir=next").code == 0


def test_a_diverged_run_is_neither_resumed_nor_tested(models, cli):
    cli("model=Late", *SHORT)
    resumed = cli("resume", "r")
    assert resumed.code == 1
    assert "r has diverged, and it would diverge again in the same way" in resumed.out
    assert cli("model=Late", *SHORT, "resume=auto").code == 1
    tested = cli("test", "r")
    assert tested.code == 2
    assert "is not a finished run: diverged" in tested.err


def test_warn_trains_on_and_takes_no_validation_of_numbers_that_are_not_finite_for_the_best(models, cli):
    result = cli("model=Recovers", "on_nan=warn", *SHORT)
    found = summary(result)
    assert (result.code, found["status"]) == (0, "finished")
    assert found["best"]["epoch"] > 1
    assert found["best"]["value"] > 0
    assert result.out.count("training diverged; it goes on, since on_nan=warn") == 1


def test_with_warn_a_run_without_any_finite_validation_has_diverged(models, cli):
    result = cli("model=Explodes", "on_nan=warn", *SHORT)
    assert (result.code, summary(result)["status"], summary(result)["epochs"]) == (1, "diverged", 3)
    assert "no validation gave finite numbers" in result.out
    assert not (result.folder / "r" / "checkpoints" / "best.ckpt").exists()


def test_a_buffer_that_was_never_finite_does_not_stop_a_run(models, cli):
    assert cli("model=Judge", *SHORT).code == 0


def test_on_nan_is_stop_or_warn(cli):
    result = cli("model=logreg", "on_nan=ignore")
    assert result.code == 2
    assert "on_nan=ignore: must be 'stop' or 'warn'" in result.err
    assert not result.written


def test_a_sweep_ranks_a_diverged_job_last_marks_it_and_runs_the_others(models, cli):
    result = cli("-m", "model=Explodes,Late,Judge", *SHORT[:2], "hydra.sweep.dir=s")
    assert result.code == 0
    printed = result.out.splitlines()
    head = next(place for place, line in enumerate(printed) if line.startswith("job "))
    table = [line.split() for line in printed[head + 1 : head + 4]]
    assert [row[0] for row in table] == ["2-Judge", "0-Explodes", "1-Late"]
    assert ["diverged" in row for row in table] == [False, True, True]


@pytest.mark.parametrize(("mode", "value"), [("min", math.inf), ("max", -math.inf)])
def test_a_sweeper_gets_the_worst_value_which_optuna_takes_where_nan_would_end_its_study(
    mode, value, models, cli, monkeypatch
):
    values = []
    task = hydra_task.task
    monkeypatch.setattr(hydra_task, "task", lambda cfg: values.append(task(cfg)))
    cli(
        "-m",
        "model=Explodes",
        "recipe.monitor=val/error",
        f"recipe.monitor_mode={mode}",
        *SHORT[:2],
        "hydra.sweep.dir=s",
    )
    assert values == [value]


def test_the_look_changes_no_sum(models):
    from dlpipe.training.callbacks.train_loss import EpochMeanLoss

    means = EpochMeanLoss()
    means.on_minibatches([torch.tensor(0.1)] * 150)
    before = (means.total.clone(), list(means.losses), means.count)
    assert math.isclose(float(means.sum_so_far()), 15.0, rel_tol=1e-6)
    assert (means.total, means.losses, means.count) == before
