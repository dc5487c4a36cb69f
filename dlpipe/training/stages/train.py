"""Train the stages of a model, one after the other, each with a Trainer of its own."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from dlpipe.errors import DlpipeError
from dlpipe.runs.directory import STAGE, best_of, write_json
from dlpipe.runs.weights import load_weights
from dlpipe.stages import Stage
from dlpipe.training.build import cluster_environment
from dlpipe.training.callbacks.checkpoints import AtomicCheckpointIO, BestAndLast
from dlpipe.training.callbacks.console_reporter import ConsoleReporter
from dlpipe.training.callbacks.graceful_stop import GracefulStop, StoppedBySignal
from dlpipe.training.callbacks.patience import GeometricPatience
from dlpipe.training.callbacks.stop_test import StopTestOnSigterm
from dlpipe.training.callbacks.sync_scheduler_metrics import SyncSchedulerMetrics
from dlpipe.training.distributed.sharding import UnevenShardLossScaling
from dlpipe.training.loggers.prefixed import PrefixedLogger
from dlpipe.training.optimizers.attach import attach_optimizer
from dlpipe.training.resume.loops import add_safe_points
from dlpipe.training.resume.rng import BEGIN, seed_rng
from dlpipe.training.resume.run_state import RunState
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.speed.updates import FusedUpdates

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageResult:
    """What a stage came to; ``steps`` are the updates that the record counts, ``max_chunk_batches`` as in `Summary`."""

    name: str
    stopped_by: str
    epochs: int
    updates: int
    steps: int
    seconds: float
    max_chunk_batches: int
    best: dict[str, Any] | None
    evaluated: dict[str, int]


def train(
    cfg: DictConfig,
    stage: Stage,
    position: int,
    before: list[StageResult],
    data: pl.LightningDataModule,
    loggers: list[Any],
    checkpoint: Path | None,
) -> pl.Trainer:
    """Train one stage, from where its checkpoint left it, and leave its best weights in its module.

    Args:
        cfg: of the stage.
        stage: to train.
        position: among the stages of the model, which random draws depend on.
        before: results of the stages before it; its own is appended, also where it fails.
        data: that it trains on.
        loggers: of the run.
        checkpoint: of the stage, to go on from.

    Raises:
        StoppedBySignal: a signal asked for an end.
    """
    seed = cfg.seed if position == 0 else int(np.random.SeedSequence((cfg.seed, position)).generate_state(1)[0])
    own_loggers = (
        [PrefixedLogger(to, stage.name, sum(r.steps for r in before)) for to in loggers] if stage.name else loggers
    )
    trainer = _trainer(cfg, stage, own_loggers)
    add_safe_points(trainer)
    take_chunks(trainer, cfg.max_chunk_batches, seed)
    if trainer.world_size > 1:
        trainer.callbacks += [UnevenShardLossScaling(), SyncSchedulerMetrics(), StopTestOnSigterm()]  # type: ignore[attr-defined]
    attach_optimizer(stage.module, cfg.optimizer, cfg.scheduler, cfg.recipe.monitor)
    if checkpoint:
        log.info("going on from %s", checkpoint)
    else:
        if stage.name:
            log.info("stage %s", stage.name)
        if stage.begin:
            seed_rng(seed, BEGIN)
            stage.begin()
    status = "failed"
    try:
        trainer.fit(stage.module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        if (received := callback_of(trainer, GracefulStop).received) is not None:
            raise StoppedBySignal(received)
        status = "finished"
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        status = "interrupted"
        raise
    except Exception:  # of a rank whose peer has left before it
        status = "failed" if callback_of(trainer, GracefulStop).received is None else "interrupted"
        raise
    finally:
        before.append(_result(stage, trainer, status))
    checkpoints = callback_of(trainer, BestAndLast)
    if stage.name and checkpoints:
        load_weights(stage.module, checkpoints.best_path)
        if trainer.is_global_zero:
            write_json(checkpoints.directory / STAGE, asdict(before[-1]))
    return trainer


def restore_finished_stage(cfg: DictConfig, stage: Stage) -> StageResult:
    """Give the module of a stage that is over, as later ones have begun, its best weights; what it came to.

    Raises:
        DlpipeError: weights or result are not there, or damaged.
    """
    best = best_of(Path(cfg.output_dir), stage.name)
    load_weights(stage.module, best)
    path = best.with_name(STAGE)
    try:
        return StageResult(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        message = f"{path}, what stage {stage.name} came to, cannot be read: {error}"
        raise DlpipeError(f"{message}. Take a good copy, or start the run in another directory") from error


def _trainer(cfg: DictConfig, stage: Stage, loggers: list[Any]) -> pl.Trainer:
    callbacks = [instantiate(node) for node in cfg.callbacks.values()]
    callbacks += [FusedUpdates()] if cfg.fused else []
    callbacks += stage.callbacks
    callbacks += [GracefulStop(), RunState(OmegaConf.to_container(cfg, resolve=True))]  # type: ignore[arg-type]  # it is a dict
    return instantiate(  # type: ignore[no-any-return]  # Hydra's instantiate gives Any
        cfg.trainer,
        callbacks=callbacks,
        logger=loggers,
        default_root_dir=str(cfg.output_dir),
        plugins=[AtomicCheckpointIO(), cluster_environment()],
        enable_checkpointing=any(isinstance(callback, BestAndLast) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks),
    )


def callback_of(trainer: pl.Trainer, cls: type[Any]) -> Any:
    """The trainer's callback of a class, or None."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, cls)), None)  # type: ignore[attr-defined]


def _result(stage: Stage, trainer: pl.Trainer, status: str) -> StageResult:
    report, patience, checkpoints = (
        callback_of(trainer, cls) for cls in (ConsoleReporter, GeometricPatience, BestAndLast)
    )
    return StageResult(
        name=stage.name,
        stopped_by=_stopped_by(trainer, status, patience is not None and patience.stopped),
        epochs=report.epoch if report else trainer.current_epoch,
        updates=trainer.global_step,
        steps=trainer.fit_loop.epoch_loop.logging_step,
        seconds=report.seconds if report else 0.0,
        max_chunk_batches=trainer.fit_loop.epoch_loop.size,  # of `take_chunks`
        best=checkpoints.best if checkpoints else None,
        evaluated=report.evaluated if report else {},
    )


def _stopped_by(trainer: pl.Trainer, status: str, out_of_patience: bool) -> str:
    if status != "finished":
        return status
    if out_of_patience:
        return "patience"
    if trainer.global_step >= trainer.max_steps > 0:
        return "max_steps"
    return "max_epochs" if 0 < (trainer.max_epochs or 0) <= trainer.current_epoch else "a callback"
