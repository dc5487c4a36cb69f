"""A model that FSDP shards over devices needs checkpoints."""

from types import SimpleNamespace

from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy

from dlpipe.config.checks.trainer import device_problems


def problems(strategy, level=None, **callbacks):
    cfg = {"trainer": {"devices": 2, "strategy": "fsdp"}, "callbacks": callbacks, "recipe": {"significance": level}}
    cfg = OmegaConf.create(cfg)
    trainer = SimpleNamespace(world_size=2, num_nodes=1, accelerator=None, strategy=strategy)
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
