"""The learning rate over time, by the tutorials' rule and by torch's own."""

import pytest
import torch

from dlpipe.training.optimizers.schedules import InverseTime


def rates(run_dir):
    """The learning rate in the last checkpoint's optimizer."""
    checkpoint = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    return [group["lr"] for group in checkpoint["optimizer_states"][0]["param_groups"]]


def test_inverse_time_is_lr0_over_1_plus_d_t():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = InverseTime(optimizer, decay=0.1)
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([0.5 / (1 + 0.1 * t) for t in range(4)])


def test_a_negative_decay_is_refused():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    with pytest.raises(ValueError, match="Invalid decay: -1"):
        InverseTime(optimizer, decay=-1)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["scheduler=none"], 0.2),
        (["scheduler=inverse_time", "scheduler.decay=0.5"], 0.2 / 2),
        (["scheduler=inverse_time", "scheduler.decay=0.01", "scheduler.interval=step"], 0.2 / (1 + 0.01 * 44)),
        (["scheduler=exponential", "scheduler.gamma=0.5"], 0.05),
        (["scheduler=step", "scheduler.step_size=1"], 0.002),
        (["scheduler=cosine", "scheduler.T_max=4"], 0.1),
        (["scheduler=plateau"], 0.2),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_composed_schedule_counts_epochs_or_updates(overrides, expected, cli):
    sizes = ["recipe.batch_size=50", "recipe.lr=0.2", "recipe.max_epochs=2", "recipe.patience=null"]
    result = cli("model=mlp", "model.num_hidden=5", *sizes, *overrides)
    assert result.code == 0, result.err
    assert rates(result.run_dir) == pytest.approx([expected, expected])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scheduler.interval=day", "scheduler.interval=day: must be epoch or step"),
        ("scheduler.decay=-1.0", "Invalid decay: -1.0"),
        ("scheduler.decai=1", "scheduler.decai=1: no such key; did you mean 'decay'?"),
    ],
)
def test_bad_schedules_are_refused(override, message, cli):
    result = cli("scheduler=inverse_time", override)
    assert result.code == 2
    assert message in result.err
    assert result.written == []


PLATEAU = """
import torch
import pytorch_lightning as pl

class Plateau(pl.LightningModule):
    def __init__(self, metric: str = "val_loss"):
        super().__init__()
        self.linear, self.metric = torch.nn.Linear(784, 10), metric
    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])
    def validation_step(self, batch, batch_idx):
        self.log(self.metric, torch.tensor(1.0))
"""
SHORT = ["scheduler=plateau", "scheduler.patience=0", "recipe.lr=0.2", "recipe.max_epochs=3", "recipe.patience=null"]


@pytest.fixture
def plateau(cli, install):
    """Train a module that logs one metric, which stays as it is, by name."""
    install("dlpipe-plateau", {"plateau": "plateau:Plateau"}, {"plateau.py": PLATEAU})
    return lambda metric, *overrides: cli("model=plateau", f"model.metric={metric}", *SHORT, *overrides)


@pytest.mark.parametrize(
    ("metric", "overrides"),
    [("val_loss", []), ("val/loss", []), ("val/error", []), ("accuracy", ["recipe.monitor=accuracy"])],
)
def test_a_plateau_is_one_of_the_metric_that_the_run_monitors(metric, overrides, plateau):
    result = plateau(metric, *overrides)
    assert result.code == 0, result.err
    assert rates(result.run_dir) == pytest.approx([0.002])


def test_a_plateau_without_a_monitored_metric_is_refused_with_what_is_logged(plateau):
    result = plateau("val_mse")
    assert (result.code, result.written) == (2, [])
    assert "scheduler=plateau needs a metric; choose one with recipe.monitor=NAME; logged: " in result.err
    assert "val_mse" in result.err
