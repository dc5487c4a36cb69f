"""Custom optimizers and LR schedulers are checked before a run."""

import pytest
from omegaconf import OmegaConf

from dlpipe.config.checks.optimizer import built_problems
from dlpipe.plugins.load_class import load_class


@pytest.fixture
def message(plain_model):
    """The problems with the optimizer and LR scheduler of a config, for a model with parameters."""

    def problems(optimizer, scheduler):
        cfg = OmegaConf.create({"optimizer": optimizer, "scheduler": scheduler, "recipe": {"monitor": None}})
        return [str(problem) for problem in built_problems(load_class("model", plain_model)(), cfg)]

    return problems


def test_target_that_is_not_an_optimizer_is_not_instantiated(message, tmp_path):
    node = {"_target_": "logging.FileHandler", "filename": str(tmp_path / "ran")}
    optimizer, scheduler = message(node, node)
    assert optimizer.startswith("optimizer._target_=logging.FileHandler: makes no Optimizer")
    assert scheduler.startswith("scheduler._target_=logging.FileHandler: makes no LRScheduler, ReduceLROnPlateau")
    assert not (tmp_path / "ran").exists()


def test_any_exception_of_an_optimizer_or_scheduler_is_reported(message, tmp_path, monkeypatch):
    (tmp_path / "raising.py").write_text("""
import torch
class Odd(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        raise KeyError("lr")
class Schedule(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer):
        raise ZeroDivisionError("by zero")
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert message({"_target_": "raising.Odd"}, {}) == ["optimizer=raising.Odd: KeyError: 'lr'"]
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.1}
    schedule = {"_target_": "raising.Schedule", "interval": "epoch"}
    assert message(sgd, schedule) == ["scheduler=raising.Schedule: ZeroDivisionError: by zero"]
    assert message(sgd, {"_target_": "raising.Schedule"}) == ["scheduler=raising.Schedule: KeyError: 'interval'"]
    assert message({**sgd, "lr": -1}, {}) == ["optimizer=torch.optim.SGD: Invalid learning rate: -1"]


def test_option_that_is_invalid_by_itself_is_checked_with_the_others(cli, tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("""
import torch
class Needy(torch.optim.SGD):
    def __init__(self, params, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(params, lr, momentum, dampening, weight_decay, nesterov)
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cli("check", "optimizer._target_=needy.Needy").code == 0
