"""Build the Trainer of a stage from its config, for a run and for the checks before it."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.profilers import AdvancedProfiler, PyTorchProfiler

from dlpipe.training.callbacks.checkpoints import AtomicCheckpointIO
from dlpipe.training.callbacks.divergence import Divergence
from dlpipe.training.callbacks.graceful_stop import GracefulStop
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.optimizers.plateau import PlateauMonitor
from dlpipe.training.resume.run_state import RunState
from dlpipe.training.speed.updates import FusedUpdates

# arguments of the Trainer that affect the results of an evaluation
EVALUATION_ARGS = ("precision", "deterministic", "benchmark", "inference_mode", "limit_test_batches")


def build_trainer(config: DictConfig, stage_callbacks: Sequence[pl.Callback], loggers: Sequence[Any]) -> pl.Trainer:
    """The Trainer of one stage, with the callbacks of its config, of the stage and of dlpipe.

    Raises:
        Exception: anything that Lightning or a callback's constructor raises about its arguments.
    """
    callbacks = [instantiate(node) for node in config.callbacks.values()]
    callbacks += [FusedUpdates()] if config.fused else []
    callbacks += stage_callbacks
    callbacks += [PlateauMonitor()] if config.recipe.monitor is None else []
    callbacks += [Divergence(config.on_nan, config.recipe.monitor)]
    callbacks += [GracefulStop(), RunState(OmegaConf.to_container(config, resolve=True))]  # type: ignore[arg-type]  # it is a dict
    trainer: pl.Trainer = instantiate(config.trainer, _partial_=True)(
        callbacks=callbacks,
        logger=list(loggers),
        default_root_dir=str(config.output_dir),
        plugins=[AtomicCheckpointIO(), cluster_environment()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks),
    )
    profiler = trainer.profiler  # type: ignore[attr-defined]
    if isinstance(profiler, (AdvancedProfiler, PyTorchProfiler)) and profiler.dirpath is profiler.filename is None:
        profiler.dirpath, profiler.filename = str(config.output_dir), "profile"  # too long for the terminal
    return trainer


def build_evaluation_trainer(config: DictConfig) -> pl.Trainer:
    """A Trainer for one process that evaluates like the run: the same precision, and all else that affects results.

    It instantiates nothing that the config names: a stored config may be untrusted.
    """
    return pl.Trainer(
        **{name: config.trainer[name] for name in EVALUATION_ARGS if name in config.trainer},
        accelerator="cpu" if config.trainer.get("accelerator") == "cpu" else "auto",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        plugins=[cluster_environment()],
    )


def cluster_environment() -> ClusterEnvironment:
    """The cluster environment of this process's launcher; Lightning would mistake a SLURM batch script for a rank."""
    launcher = get_rank_info().launcher
    if launcher is None:
        return LightningEnvironment()
    return SLURMEnvironment(auto_requeue=False) if launcher == "srun" else TorchElasticEnvironment()


def find_callback(trainer: pl.Trainer, cls: type[Any]) -> Any:
    """The trainer's first callback of a class, or None."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, cls)), None)  # type: ignore[attr-defined]
