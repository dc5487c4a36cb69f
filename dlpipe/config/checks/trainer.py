"""The Trainer of a run, built by the function that the run builds it with."""

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import DummyLogger

from dlpipe.config.checks.devices import device_problems
from dlpipe.errors import Problem
from dlpipe.stages import Stage
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.trainer import build_trainer


def trainer_of(config: DictConfig, stage: Stage) -> pl.Trainer:
    """The Trainer of a stage, but that its loggers, which may write when they are made, are stand-ins.

    Raises:
        Exception: whatever Lightning, or a callback's constructor, says.
    """
    with quiet_lightning():
        return build_trainer(config, stage.callbacks, [DummyLogger() for _ in config.logger])


def trainer_problems(config: DictConfig, asked: DictConfig, trainer: pl.Trainer) -> list[Problem]:
    """What is wrong with a Trainer on this machine.

    Args:
        config: of the stage.
        asked: as it was composed, with Hydra's node.
        trainer: of the stage.
    """
    problems = []
    if 0 in (trainer.max_epochs, trainer.max_steps):
        problems.append(Problem("trainer", "max_epochs and max_steps must not be 0: nothing would be trained"))
    return problems + device_problems(config, asked, trainer)


def build_problem(config: DictConfig, error: Exception) -> Problem:
    """What Lightning, or a callback, said of its arguments; Hydra wraps it, and the cause says what was wrong."""
    asked = " ".join(f"trainer.{key}={config.trainer.get(key)}" for key in ("accelerator", "devices", "strategy"))
    cause = error.__cause__ or error
    message = " ".join(str(cause).split()) or type(cause).__name__
    return Problem(asked, f"{message} (trainer=default is one process on the CPU)")
