"""One composed config, executed into one directory: fit, test of the best weights, figures, summary."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.model_helpers import is_overridden
from safetensors.torch import save_model

from dlpipe import run_directory
from dlpipe.atomic import replacing
from dlpipe.build import build_dataset, build_model, cluster_environment
from dlpipe.callbacks.as_rank import AsRank
from dlpipe.callbacks.checkpoints import AtomicCheckpointIO, BestAndLast
from dlpipe.callbacks.leave_on_signal import LeaveOnSignal, LeftError
from dlpipe.callbacks.patience import GeometricPatience
from dlpipe.callbacks.report import Report
from dlpipe.distributed.agreement import FINISHED, Ranks
from dlpipe.distributed.division import divide
from dlpipe.distributed.place import Place, place
from dlpipe.errors import DlpipeError
from dlpipe.figures import figures_of, save_png
from dlpipe.finished_run import fill
from dlpipe.optimizers.composed import give_optimizer
from dlpipe.quiet import quiet_lightning
from dlpipe.resume.draws import TEST, seed_draws
from dlpipe.resume.full_disk import told_when_full
from dlpipe.resume.loops import rest_between_epochs
from dlpipe.resume.run_state import RunState
from dlpipe.speed.chunks import take_chunks
from dlpipe.speed.memory import tune_memory
from dlpipe.speed.updates import FusedUpdates
from dlpipe.summary import Summary, compare_with_targets, lines

log = logging.getLogger(__name__)


def execute(cfg: DictConfig, checkpoint: Path | None = None, ranks: Ranks | None = None) -> float | None:
    """Train and test as one rank of the run; rank 0, which a single process is too, writes everything down.

    Args:
        cfg: of the run.
        checkpoint: to go on from, of rank 0; the others go on from the same.
        ranks: of which this process is one, where they know each other already.

    Raises:
        DlpipeError: as rank 0 told, where it cannot go on; and as the parts raise it.
    """
    here = place()
    with quiet_lightning(), told_when_full():
        if here.world_size > 1:
            ranks = ranks or Ranks(here)  # kept until the end: rank 0 may be the one that serves it
            if (told := ranks.decide("")) == FINISHED:
                return None
            if told:
                raise DlpipeError(told)
            cfg.output_dir = ranks.share("directory", cfg.output_dir)
            checkpoint = Path(found) if (found := ranks.share("checkpoint", str(checkpoint or ""))) else None
            known = ranks.agree(cfg)
            if here.rank == 0:
                run_directory.write_json(Path(cfg.output_dir) / run_directory.RANKS, known)
        with _loggers(cfg, here) as loggers:
            return _execute(cfg, here, loggers, checkpoint)


def _execute(cfg: DictConfig, here: Place, loggers: list[Any], checkpoint: Path | None) -> float | None:
    directory = Path(cfg.output_dir)
    torch.set_num_threads(cfg.threads)
    if cfg.tune_memory:
        tune_memory()
    pl.seed_everything(cfg.seed, verbose=False)
    data, model = build_dataset(cfg.dataset), build_model(cfg.model)
    give_optimizer(model, cfg.optimizer, cfg.scheduler, cfg.recipe.monitor)
    trainer = _trainer(cfg, directory, loggers)
    rest_between_epochs(trainer)
    take_chunks(trainer, cfg.chunk, cfg.seed)
    if here.world_size > 1:
        divide(trainer, data, here)
        trainer.callbacks.append(AsRank())  # type: ignore[attr-defined]
    summary = _fit_and_test(cfg, trainer, model, data, checkpoint)
    if here.rank > 0:
        return None
    if here.world_size > 1:
        model = _whole(cfg, trainer, model)
    _export_weights(model, directory)
    if summary.best:
        for logger in loggers:
            logger.log_metrics({f"best/{summary.best['metric']}": summary.best["value"]}, trainer.global_step)
    _draw(trainer, model, data, directory)
    run_directory.write_json(directory / run_directory.SUMMARY, summary.to_dict())
    for line in [*lines(summary), f"run directory: {directory}"]:
        log.info(line)
    return summary.best["value"] if summary.best else None


def _fit_and_test(
    cfg: DictConfig,
    trainer: pl.Trainer,
    model: pl.LightningModule,
    data: pl.LightningDataModule,
    checkpoint: Path | None,
) -> Summary:
    """Train, test the best weights, and write the summary where that fails; finished is a run only at its very end."""
    status, test = "failed", {}
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        if (received := _callback(trainer, LeaveOnSignal).received) is not None:
            raise LeftError(received)
        seed_draws(cfg.seed, trainer.global_rank, TEST)
        test = _test_best(trainer, model, data)
        status = "finished"
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        status = "interrupted"
        raise
    except Exception:  # of a rank whose peer has left before it
        status = "failed" if _callback(trainer, LeaveOnSignal).received is None else "interrupted"
        raise
    finally:
        summary = _summarise(cfg, trainer, status, test)
        if trainer.is_global_zero and status != "finished":
            run_directory.write_json(Path(cfg.output_dir) / run_directory.SUMMARY, summary.to_dict())
    return summary


@contextlib.contextmanager
def _loggers(cfg: DictConfig, here: Place) -> Iterator[list[Any]]:
    """The composed loggers, of rank 0; W&B's run is closed whatever happens, or the next job would go on in it."""
    with contextlib.ExitStack() as stack:
        loggers = [_opened(node, stack) for node in cfg.logger.values()] if here.rank == 0 else []
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))
        yield loggers


def _opened(node: DictConfig, stack: contextlib.ExitStack) -> Any:
    logger = instantiate(node)
    if isinstance(logger, WandbLogger):
        from dlpipe.loggers.wandb import finish

        stack.push(lambda kind, *_: finish(logger, failed=kind is not None))
    return logger


def _trainer(cfg: DictConfig, directory: Path, loggers: list[Any]) -> pl.Trainer:
    callbacks = [instantiate(node) for node in cfg.callbacks.values()]
    callbacks += [FusedUpdates()] if cfg.fused else []
    callbacks += [LeaveOnSignal(), RunState(OmegaConf.to_container(cfg, resolve=True))]  # type: ignore[arg-type]  # it is a dict
    return instantiate(  # type: ignore[no-any-return]  # Hydra's instantiate gives Any
        cfg.trainer,
        callbacks=callbacks,
        logger=loggers,
        default_root_dir=str(directory),
        plugins=[AtomicCheckpointIO(), cluster_environment()],
        enable_checkpointing=any(isinstance(callback, BestAndLast) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks),
    )


def _callback(trainer: pl.Trainer, cls: type[Any]) -> Any:
    return next((callback for callback in trainer.callbacks if isinstance(callback, cls)), None)  # type: ignore[attr-defined]


def _test_best(trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule) -> dict[str, float]:
    """Test the best weights: in one process they are loaded into the module, in several each rank loads its own."""
    checkpoints = _callback(trainer, BestAndLast)
    options: dict[str, Any] = {}
    if checkpoints and trainer.world_size > 1:
        options = {"ckpt_path": str(checkpoints.best_path), "weights_only": True}
    elif checkpoints:
        fill(model, checkpoints.best_path)
    if not is_overridden("test_step", model, pl.LightningModule):
        log.info("no test: %s has no test_step", type(model).__name__)
        return {}
    if not is_overridden("test_dataloader", data, pl.LightningDataModule):
        log.info("no test: %s has no test data", type(data).__name__)
        return {}
    (results,) = trainer.test(model, datamodule=data, verbose=False, **options)
    return {name: float(value) for name, value in results.items()}


def _whole(cfg: DictConfig, trainer: pl.Trainer, model: pl.LightningModule) -> pl.LightningModule:
    """A module of this process alone with the best weights; without checkpoints, those training ended with."""
    checkpoints = _callback(trainer, BestAndLast)
    if not checkpoints:
        return model
    alone = build_model(cfg.model)
    fill(alone, checkpoints.best_path)
    return alone


def _summarise(cfg: DictConfig, trainer: pl.Trainer, status: str, test: dict[str, float]) -> Summary:
    report, patience, checkpoints = (_callback(trainer, cls) for cls in (Report, GeometricPatience, BestAndLast))
    best = checkpoints.best if checkpoints else None
    seconds = report.seconds if report else 0.0
    targets = OmegaConf.to_container(cfg.recipe.targets)
    return Summary(
        model=cfg.model.name,
        dataset=cfg.dataset.name,
        seed=cfg.seed,
        status=status,
        stopped_by=_stopped_by(trainer, status, patience is not None and patience.stopped),
        epochs=report.epoch if report else trainer.current_epoch,
        updates=trainer.global_step,
        seconds=seconds,
        updates_per_second=trainer.global_step / seconds if seconds else 0.0,
        chunk=trainer.fit_loop.epoch_loop.size,  # of `take_chunks`
        best=best,
        test=test,
        evaluated=report.evaluated if report else {},
        targets=compare_with_targets(targets, cfg.dataset.name, best, test),  # type: ignore[arg-type]
    )


def _stopped_by(trainer: pl.Trainer, status: str, out_of_patience: bool) -> str:
    if status != "finished":
        return status
    if out_of_patience:
        return "patience"
    if trainer.global_step >= trainer.max_steps > 0:
        return "max_steps"
    return "max_epochs" if 0 < (trainer.max_epochs or 0) <= trainer.current_epoch else "a callback"


def _export_weights(model: pl.LightningModule, directory: Path) -> None:
    with replacing(directory / run_directory.WEIGHTS) as beside:
        save_model(model, str(beside))


def _draw(trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule, directory: Path) -> None:
    """Figures as PNG in the run directory, and to every logger that takes images.

    The run is over and its numbers are written: what a module's figures may raise is told, and costs only them.
    """
    try:
        figures = figures_of(model, data)
    except Exception:
        log.exception("the figures could not be drawn; mend it, then: python -m dlpipe figures %s", directory)
        return
    for name, image in figures.items():
        save_png(image, directory / run_directory.FIGURES / f"{name}.png")
        for logger in trainer.loggers:
            if hasattr(logger, "log_image"):
                logger.log_image(f"figures/{name}", [image], trainer.global_step)
