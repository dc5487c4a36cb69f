"""Checks of the Trainer of a run, built by the same function as in the run."""

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import DummyLogger

from dlpipe.config.checks.devices import device_problems
from dlpipe.errors import DlpipeError, Problem
from dlpipe.stages import Stage
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.trainer import build_trainer


def trainer_of(config: DictConfig, stage: Stage) -> pl.Trainer:
    """The Trainer of a stage, with dummy loggers: real ones may write files when they are created.

    Raises:
        Exception: anything that Lightning or a callback's constructor raises.
    """
    with quiet_lightning():
        return build_trainer(config, stage.callbacks, [DummyLogger() for _ in config.logger])


def trainer_problems(
    config: DictConfig, composed: DictConfig, trainer: pl.Trainer, module: pl.LightningModule
) -> list[Problem]:
    """Problems with a Trainer on this machine.

    Args:
        config: the stage's config.
        composed: the composed config, with the ``hydra`` node.
        trainer: the stage's Trainer.
        module: the stage's module.
    """
    problems = []
    if trainer.world_size > 1 and not any(parameter.requires_grad for parameter in module.parameters()):
        message = f"{type(module).__name__} has no gradients, which are all that processes exchange; set it to 1"
        problems.append(Problem(f"trainer.devices={config.trainer.get('devices')}", message))
    if 0 in (trainer.max_epochs, trainer.max_steps):
        problems.append(Problem("trainer", "max_epochs and max_steps must not be 0: nothing would be trained"))
    return problems + device_problems(config, composed, trainer)


def logger_problems(config: DictConfig) -> list[Problem]:
    """Problems with the environment variables that W&B reads when its logger starts."""
    if "wandb" not in config.logger:
        return []
    from dlpipe.training.loggers.wandb import check_environment  # imports wandb, which takes 0.5 s

    try:
        check_environment()
    except DlpipeError as error:
        return [Problem("logger=wandb", str(error))]
    return []


def build_problem(config: DictConfig, error: Exception) -> Problem:
    """The error of Lightning or of a callback about its arguments: the cause of the one that Hydra raises."""
    where = " ".join(f"trainer.{key}={config.trainer.get(key)}" for key in ("accelerator", "devices", "strategy"))
    cause = error.__cause__ or error
    message = " ".join(str(cause).split()) or type(cause).__name__
    return Problem(where, f"{message} (trainer=default is one process on the CPU)")
