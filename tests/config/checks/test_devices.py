"""Devices are as many as the launched processes, and a model that FSDP shards over them needs checkpoints."""

from types import SimpleNamespace

from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy

from dlpipe.config.checks import trainer as trainer_checks
from dlpipe.config.checks.trainer import device_problems


def problems(strategy, level=None, num_devices=2, **callbacks):
    cfg = {"trainer": {"devices": 2, "strategy": "fsdp"}, "callbacks": callbacks, "recipe": {"significance": level}}
    cfg = OmegaConf.create(cfg)
    trainer = SimpleNamespace(world_size=2, num_devices=num_devices, num_nodes=1, accelerator=None, strategy=strategy)
    return [str(problem) for problem in device_problems(cfg, cfg, trainer)]


def test_sharded_model_without_checkpoints_is_refused():
    (message,) = problems(
        FSDPStrategy(), report={"_target_": "dlpipe.training.callbacks.console_reporter.ConsoleReporter"}
    )
    assert message.startswith("trainer.strategy=fsdp: no process holds the whole model")
    assert message.endswith("keep callbacks.checkpoints")


def test_sharded_model_with_checkpoints_and_replicated_model_are_accepted():
    assert problems(FSDPStrategy(), checkpoints={"_target_": "dlpipe.training.callbacks.checkpoints.BestAndLast"}) == []
    assert problems(DDPStrategy()) == []


def test_sharded_model_with_a_significance_test_is_refused():
    checkpoints = {"_target_": "dlpipe.training.callbacks.checkpoints.BestAndLast"}
    (message,) = problems(FSDPStrategy(), level=0.05, checkpoints=checkpoints)
    assert message.startswith(
        "recipe.significance=0.05: predict_step needs the whole model, which no process holds with "
        "trainer.strategy=fsdp"
    )


def test_other_devices_than_the_launcher_started_processes_are_refused(monkeypatch):
    # Lightning's world_size is then the launcher's, whatever trainer.devices says
    launched = SimpleNamespace(launcher="torchrun", world_size=2, rank=0)
    monkeypatch.setattr(trainer_checks, "get_rank_info", lambda: launched)
    (message,) = problems(DDPStrategy(), num_devices=3)
    assert message == (
        "trainer.devices=2: torchrun started 2 processes, and the trainer asks for 3; "
        "set trainer.devices=2 trainer.num_nodes=1"
    )
