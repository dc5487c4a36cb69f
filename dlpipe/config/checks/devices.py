"""Checks of the devices: what launches the processes, and whether the devices exist."""

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
# Lightning builds a list of the requested devices before their number can be checked
MOST_DIGITS = 4
# allows trying a run with two processes even on one core
MIN_PROCESSES = 2


def count_problems(cfg: DictConfig) -> list[Problem]:
    """Absurdly large device counts."""
    devices = str(cfg.trainer.get("devices"))
    if devices.isdigit() and len(devices) > MOST_DIGITS:
        return [Problem(f"trainer.devices={devices}", f"must be at most {'9' * MOST_DIGITS}")]
    return []


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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
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
