"""The full pass over several devices: who starts the processes, and whether the devices are there."""

import os

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy

from dlpipe.errors import Problem
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.lightning_private import saves_sharded_checkpoints, starts_own_processes

CHECKPOINTS = f"{BestAndLast.__module__}.{BestAndLast.__qualname__}"
# Lightning makes a list of the devices asked for, before anybody can look at their number
MOST_DIGITS = 4
# on one core it is at least possible to try what two processes do
MIN_PROCESSES = 2


def count_problems(cfg: DictConfig) -> list[Problem]:
    """A number of devices that no machine has."""
    asked = str(cfg.trainer.get("devices"))
    if asked.isdigit() and len(asked) > MOST_DIGITS:
        return [Problem(f"trainer.devices={asked}", f"must be at most {'9' * MOST_DIGITS}")]
    return []


def device_problems(cfg: DictConfig, asked: DictConfig, trainer: pl.Trainer) -> list[Problem]:
    """What is wrong with the devices of this Trainer, on this machine and under what started this process."""
    here, count = get_rank_info(), trainer.world_size
    where = f"trainer.devices={cfg.trainer.get('devices')}"
    if here.launcher and here.world_size != count:
        message = f"{here.launcher} started {here.world_size} processes, and the trainer asks for {count}"
        nodes = trainer.num_nodes if here.world_size % trainer.num_nodes == 0 else 1
        return [Problem(where, f"{message}; set trainer.devices={here.world_size // nodes} trainer.num_nodes={nodes}")]
    if here.launcher and "hydra" in asked and (asked.hydra.job.chdir or asked.hydra.job.env_set):
        message = f"Hydra would do it for rank 0 alone of what {here.launcher} started; leave it out"
        return [Problem("hydra.job.chdir, hydra.job.env_set", message)]
    local = _local_problems(where, trainer) if count > 1 and not here.launcher else []
    return [*local, *_strategy_problems(cfg, trainer)]


def _local_problems(where: str, trainer: pl.Trainer) -> list[Problem]:
    """This machine alone has to start and to hold them; Lightning itself counts GPUs."""
    if trainer.num_nodes > 1:
        message = f"{trainer.num_nodes} machines; start one process a device on each with torchrun or srun"
        return [Problem(f"trainer.num_nodes={trainer.num_nodes}", message)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(cores, MIN_PROCESSES)
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.world_size > most:
        message = f"a process a device, and this machine has {cores} core{'s' if cores > 1 else ''}"
        return [Problem(where, f"{message}; set trainer.devices={most} or less")]
    return []


def _strategy_problems(cfg: DictConfig, trainer: pl.Trainer) -> list[Problem]:
    where, strategy = f"trainer.strategy={cfg.trainer.get('strategy')}", trainer.strategy
    if starts_own_processes(strategy):
        return [Problem(where, "would start its processes itself, inside this one; choose ddp")]
    if isinstance(strategy, ModelParallelStrategy) or saves_sharded_checkpoints(strategy):
        return [Problem(where, "writes checkpoints in parts, which nothing here reads; choose fsdp")]
    if not isinstance(strategy, FSDPStrategy):
        return []
    problems = []
    if CHECKPOINTS not in [node.get("_target_") for node in cfg.callbacks.values()]:
        message = "no process has the whole model, so its weights are those of a checkpoint; keep callbacks.checkpoints"
        problems.append(Problem(where, message))
    if cfg.recipe.significance is not None:
        message = f"predict_step works on the whole model, which no process has with {where}; set it to null"
        problems.append(Problem(f"recipe.significance={cfg.recipe.significance}", message))
    return problems
