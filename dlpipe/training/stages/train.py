"""Train one stage of a model with its own Trainer."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.errors import DivergedError, DlpipeError, PrunedError
from dlpipe.runs.best_weights import load_weights
from dlpipe.runs.directory import STAGE, best_of, write_json
from dlpipe.runs.stage_result import StageResult
from dlpipe.stages import Stage
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.callbacks.console_reporter import ConsoleReporter
from dlpipe.training.callbacks.divergence import divergence
from dlpipe.training.callbacks.graceful_stop import GracefulStop, StoppedBySignal
from dlpipe.training.callbacks.patience import GeometricPatience
from dlpipe.training.distributed.callbacks import StopTestOnSigterm, SyncSchedulerMetrics
from dlpipe.training.distributed.sharding import UnevenShardLossScaling
from dlpipe.training.loggers.prefixed import PrefixedLogger
from dlpipe.training.optimizers.attach import attach_optimizer
from dlpipe.training.resume.loops import add_safe_points
from dlpipe.training.resume.rng import BEGIN, seed_rng
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.trainer import build_trainer, find_callback

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """A trained stage: its Trainer, its result, and the exception that ended it, if any."""

    trainer: pl.Trainer
    result: StageResult
    error: BaseException | None


def train_stage(
    stage: Stage,
    config: DictConfig,
    position: int,
    steps_before: int,
    data: pl.LightningDataModule,
    loggers: list[Any],
    checkpoint: Path | None,
) -> Fit:
    """Train one stage, resuming from its checkpoint if there is one, and load its best weights into its module.

    Training that fails or is interrupted gives a `Fit` too, so that the run can record how far it got.

    Args:
        stage: the stage to train.
        config: the stage's config.
        position: index of the stage among the model's, from which its random seed is derived.
        steps_before: steps that the loggers counted in the stages before it.
        data: the stage's data.
        loggers: the run's loggers.
        checkpoint: the stage's checkpoint to resume from.
    """
    stage_loggers = [PrefixedLogger(logger, stage.name, steps_before) for logger in loggers] if stage.name else loggers
    trainer = build_trainer(config, stage.callbacks, stage_loggers)
    seed = config.seed if position == 0 else np.random.SeedSequence((config.seed, position)).generate_state(1)[0].item()
    add_safe_points(trainer)
    take_chunks(trainer, config.max_chunk_batches, seed)
    if trainer.world_size > 1:
        trainer.callbacks += [UnevenShardLossScaling(), SyncSchedulerMetrics(), StopTestOnSigterm()]  # type: ignore[attr-defined]
    attach_optimizer(stage.module, config.optimizer, config.scheduler, config.recipe.monitor)
    _announce(stage, checkpoint, seed)
    error = _fit(trainer, stage.module, data, checkpoint)
    result, checkpoints = _result(stage, trainer, error), find_callback(trainer, BestAndLast)
    if error is None and stage.name and checkpoints:
        load_weights(stage.module, checkpoints.best_path)
        if trainer.is_global_zero:  # for a later resumption of the run
            write_json(checkpoints.directory / STAGE, asdict(result))
    return Fit(trainer, result, error)


def restore_finished_stage(config: DictConfig, stage: Stage) -> StageResult:
    """Load the best weights of a finished stage into its module, and return its stored result.

    Raises:
        DlpipeError: the weights or the result are missing or damaged.
    """
    best = best_of(Path(config.output_dir), stage.name)
    load_weights(stage.module, best)
    path = best.with_name(STAGE)
    try:
        return StageResult(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        message = f"cannot read the result of stage {stage.name} from {path}: {error}"
        raise DlpipeError(f"{message}. Take a good copy, or start the run in another directory") from error


def _announce(stage: Stage, checkpoint: Path | None, seed: int) -> None:
    """Log how the stage starts, and call its ``begin`` if it is not resumed."""
    if checkpoint:
        log.info("Resuming from checkpoint %s", checkpoint)
        return
    if stage.name:
        log.info("stage %s", stage.name)
    if stage.begin:
        seed_rng(seed, BEGIN)
        stage.begin()


def _fit(
    trainer: pl.Trainer, module: pl.LightningModule, data: pl.LightningDataModule, checkpoint: Path | None
) -> BaseException | None:
    """Fit; return the exception that ended it, or None."""
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except BaseException as error:
        return error
    checkpoints = find_callback(trainer, BestAndLast)
    if (found := divergence(trainer)) and not (checkpoints and checkpoints.best):
        return DivergedError(f"{found}, and no validation gave finite numbers")
    received = find_callback(trainer, GracefulStop).received
    return None if received is None else StoppedBySignal(received)


def _result(stage: Stage, trainer: pl.Trainer, error: BaseException | None) -> StageResult:
    reporter, checkpoints = find_callback(trainer, ConsoleReporter), find_callback(trainer, BestAndLast)
    return StageResult(
        name=stage.name,
        stopped_by=_stopped_by(trainer, error),
        epochs=reporter.epoch if reporter else trainer.current_epoch,
        updates=trainer.global_step,
        steps=trainer.fit_loop.epoch_loop.logging_step,
        seconds=reporter.seconds if reporter else 0.0,
        max_chunk_batches=trainer.fit_loop.epoch_loop.size,  # set by `take_chunks`
        best=checkpoints.best if checkpoints else None,
        evaluated=reporter.evaluated if reporter else {},
    )


def _stopped_by(trainer: pl.Trainer, error: BaseException | None) -> str:
    if isinstance(error, DivergedError):
        return "diverged"
    if isinstance(error, PrunedError):
        return "pruned"
    if error is not None:
        signalled = find_callback(trainer, GracefulStop).received is not None  # a rank fails if another stopped first
        return "interrupted" if signalled or not isinstance(error, Exception) else "failed"
    patience = find_callback(trainer, GeometricPatience)
    if patience is not None and patience.stopped:
        return "patience"
    if trainer.global_step >= trainer.max_steps > 0:
        return "max_steps"
    return "max_epochs" if 0 < (trainer.max_epochs or 0) <= trainer.current_epoch else "a callback"
