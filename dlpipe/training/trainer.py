"""The Trainer of a stage, from its config: the one that the checks look at is made here too."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from omegaconf import DictConfig, OmegaConf

from dlpipe.training.callbacks.checkpoints import AtomicCheckpointIO, BestAndLast
from dlpipe.training.callbacks.graceful_stop import GracefulStop
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.resume.run_state import RunState
from dlpipe.training.speed.updates import FusedUpdates

# arguments of the Trainer that an evaluation's numbers depend on
EVALUATION_ARGS = ("precision", "deterministic", "benchmark", "inference_mode", "limit_test_batches")


def build_trainer(config: DictConfig, stage_callbacks: Sequence[pl.Callback], loggers: Sequence[Any]) -> pl.Trainer:
    """The Trainer of one stage, with the composed callbacks and dlpipe's own.

    Args:
        config: of the stage.
        stage_callbacks: those that the stage brings.
        loggers: of the run.

    Raises:
        Exception: whatever Lightning, or a callback's constructor, says of its arguments.
    """
    callbacks = [instantiate(node) for node in config.callbacks.values()]
    callbacks += [FusedUpdates()] if config.fused else []
    callbacks += stage_callbacks
    callbacks += [GracefulStop(), RunState(OmegaConf.to_container(config, resolve=True))]  # type: ignore[arg-type]  # it is a dict
    return instantiate(config.trainer, _partial_=True)(  # type: ignore[no-any-return]  # Hydra's instantiate gives Any
        callbacks=callbacks,
        logger=list(loggers),
        default_root_dir=str(config.output_dir),
        plugins=[AtomicCheckpointIO(), cluster_environment()],
        enable_checkpointing=any(isinstance(callback, BestAndLast) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks),
    )


def build_evaluation_trainer(config: DictConfig) -> pl.Trainer:
    """A Trainer for one process that evaluates as the run of a config did: its precision and all else that counts.

    Nothing that the config names is called: a stored config may be anybody's.
    """
    options = {name: config.trainer[name] for name in EVALUATION_ARGS if name in config.trainer}
    accelerator = "cpu" if config.trainer.get("accelerator") == "cpu" else "auto"
    return pl.Trainer(
        **options,
        accelerator=accelerator,
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        plugins=[cluster_environment()],
    )


def cluster_environment() -> ClusterEnvironment:
    """What started this process, for a Trainer; Lightning's own guess takes a batch script of SLURM for a rank."""
    launcher = get_rank_info().launcher
    if launcher is None:
        return LightningEnvironment()
    return SLURMEnvironment(auto_requeue=False) if launcher == "srun" else TorchElasticEnvironment()


def find_callback(trainer: pl.Trainer, cls: type[Any]) -> Any:
    """The trainer's callback of a class, or None."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, cls)), None)  # type: ignore[attr-defined]
