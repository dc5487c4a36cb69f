"""Checks of the Trainer of a run, built by the same function as in the run, and of its devices."""

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy

from dlpipe.errors import Problem, RequestError, refuse
from dlpipe.operating_system import usable_cores
from dlpipe.stages import Stage
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.lightning_private import saves_sharded_checkpoints, starts_own_processes
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.trainer import build_trainer

CHECKPOINTS = f"{BestAndLast.__module__}.{BestAndLast.__qualname__}"
# allows trying a run with two processes even on one core
MIN_PROCESSES = 2


def checked_trainer(config: DictConfig, composed: DictConfig, stage: Stage) -> pl.Trainer:
    """The Trainer of a stage, which fits this machine, its launcher and the stage's module.

    ``config`` is the stage's, ``composed`` the run's with the ``hydra`` node. A RequestError has every problem found.
    """
    trainer = trainer_of(config, stage)
    problems = device_problems(config, composed, trainer)
    if trainer.world_size > 1 and not any(parameter.requires_grad for parameter in stage.module.parameters()):
        message = f"{type(stage.module).__name__} has no gradients, which are all that processes exchange; set it to 1"
        problems.append(Problem(f"trainer.devices={config.trainer.get('devices')}", message))
    if 0 in (trainer.max_epochs, trainer.max_steps):
        problems.insert(0, Problem("trainer", "max_epochs and max_steps must not be 0: nothing would be trained"))
    refuse(problems)
    return trainer


def trainer_of(config: DictConfig, stage: Stage) -> pl.Trainer:
    """The Trainer of a stage, with dummy loggers: real ones may write files when they are created.

    Raises:
        RequestError: with the message of Lightning, or of a callback, about its arguments.
    """
    try:
        with quiet_lightning():
            return build_trainer(config, stage.callbacks, [DummyLogger() for _ in config.logger])
    except Exception as error:  # Lightning raises many types; each message names the argument
        where = " ".join(f"trainer.{key}={config.trainer.get(key)}" for key in ("accelerator", "devices", "strategy"))
        cause = error.__cause__ or error  # of the error that Hydra raises
        message = " ".join(str(cause).split()) or type(cause).__name__
        raise RequestError([Problem(where, f"{message} (trainer=default is one process on the CPU)")]) from error


def device_problems(cfg: DictConfig, composed: DictConfig, trainer: pl.Trainer) -> list[Problem]:
    """Problems with the devices of this Trainer, given this machine and the launcher of this process."""
    rank, count = get_rank_info(), trainer.num_devices * trainer.num_nodes  # world_size may be the launcher's
    where = f"trainer.devices={cfg.trainer.get('devices')}"
    if rank.launcher and rank.world_size != count:
        message = f"{rank.launcher} started {rank.world_size} processes, and the trainer asks for {count}"
        nodes = trainer.num_nodes if rank.world_size % trainer.num_nodes == 0 else 1
        return [Problem(where, f"{message}; set trainer.devices={rank.world_size // nodes} trainer.num_nodes={nodes}")]
    if rank.launcher and "hydra" in composed and (composed.hydra.job.chdir or composed.hydra.job.env_set):
        message = f"Hydra would apply it only to rank 0 of the processes that {rank.launcher} started; leave it out"
        return [Problem("hydra.job.chdir, hydra.job.env_set", message)]
    local = _local_problems(where, trainer) if count > 1 and not rank.launcher else []
    return [*local, *_strategy_problems(cfg, trainer)]


def _local_problems(where: str, trainer: pl.Trainer) -> list[Problem]:
    """Problems with starting all processes on this machine; Lightning itself checks the number of GPUs."""
    if trainer.num_nodes > 1:
        message = f"{trainer.num_nodes} machines; start one process per device on each with torchrun or srun"
        return [Problem(f"trainer.num_nodes={trainer.num_nodes}", message)]
    cores = usable_cores()
    most = max(cores, MIN_PROCESSES)
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.world_size > most:
        message = f"one process per device, and this machine has {cores} core{'s' if cores > 1 else ''}"
        return [Problem(where, f"{message}; set trainer.devices={most} or less")]
    return []


def _strategy_problems(cfg: DictConfig, trainer: pl.Trainer) -> list[Problem]:
    where, strategy = f"trainer.strategy={cfg.trainer.get('strategy')}", trainer.strategy
    if starts_own_processes(strategy):
        return [Problem(where, "would start its own processes from this one; choose ddp")]
    if isinstance(strategy, ModelParallelStrategy) or saves_sharded_checkpoints(strategy):
        return [Problem(where, "writes sharded checkpoints, which dlpipe cannot read; choose fsdp")]
    if not isinstance(strategy, FSDPStrategy):
        return []
    problems = []
    if CHECKPOINTS not in [node.get("_target_") for node in cfg.callbacks.values()]:
        message = "no process holds the whole model, so its weights come from a checkpoint; keep callbacks.checkpoints"
        problems.append(Problem(where, message))
    if cfg.recipe.significance is not None:
        message = f"predict_step needs the whole model, which no process holds with {where}; set it to null"
        problems.append(Problem(f"recipe.significance={cfg.recipe.significance}", message))
    return problems
