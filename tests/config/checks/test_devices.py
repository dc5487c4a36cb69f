"""A model that is spread over the devices needs a checkpoint to be read from."""

from types import SimpleNamespace

from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy

from dlpipe.config.checks.devices import device_problems


def problems(strategy, level=None, **callbacks):
    cfg = {"trainer": {"devices": 2, "strategy": "fsdp"}, "callbacks": callbacks, "recipe": {"significance": level}}
    cfg = OmegaConf.create(cfg)
    trainer = SimpleNamespace(world_size=2, num_nodes=1, accelerator=None, strategy=strategy)
    return [str(problem) for problem in device_problems(cfg, cfg, trainer)]


def test_a_spread_model_without_checkpoints_is_refused():
    (message,) = problems(
        FSDPStrategy(), report={"_target_": "dlpipe.training.callbacks.console_reporter.ConsoleReporter"}
    )
    assert message.startswith("trainer.strategy=fsdp: no process has the whole model")
    assert message.endswith("keep callbacks.checkpoints")


def test_with_checkpoints_or_whole_on_each_device_it_is_not():
    assert problems(FSDPStrategy(), checkpoints={"_target_": "dlpipe.training.callbacks.checkpoints.BestAndLast"}) == []
    assert problems(DDPStrategy()) == []


def test_a_spread_model_has_no_predictions_to_test():
    checkpoints = {"_target_": "dlpipe.training.callbacks.checkpoints.BestAndLast"}
    (message,) = problems(FSDPStrategy(), level=0.05, checkpoints=checkpoints)
    assert message.startswith("recipe.significance=0.05: predict_step works on the whole model")
