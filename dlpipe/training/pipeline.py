"""One composed config, executed into one directory: the stages, the test of the best weights, figures, summary."""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.model_helpers import is_overridden
from safetensors.torch import save_model

from dlpipe.atomic import atomic_write
from dlpipe.errors import DlpipeError
from dlpipe.figures import save_png
from dlpipe.runs import directory as run_directory
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.drawing import draw_figures
from dlpipe.runs.summary import lines, summarise
from dlpipe.runs.weights import load_stage_weights, load_weights
from dlpipe.stages import TRAIN, Stage, is_staged, selected, stages_of
from dlpipe.training.build import build_dataset, build_model, build_model_seeded
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.callbacks.console_reporter import ConsoleReporter
from dlpipe.training.distributed.rank_info import RankInfo, get_rank_info
from dlpipe.training.distributed.rank_store import FINISHED, RankStore
from dlpipe.training.distributed.sharding import shard_training_data
from dlpipe.training.loggers.csv import EMPTY
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.resume.full_disk import report_disk_full
from dlpipe.training.resume.rng import TEST, seed_rng
from dlpipe.training.speed.memory import tune_memory
from dlpipe.training.stages.configs import config_of
from dlpipe.training.stages.init_from import start_from
from dlpipe.training.stages.train import StageResult, callback_of, restore_finished_stage, train

log = logging.getLogger(__name__)
Checkpoints = dict[str, Path]


def execute(cfg: DictConfig, checkpoints: Checkpoints | None = None, ranks: RankStore | None = None) -> float | None:
    """Train and test as one rank of the run; rank 0, which a single process is too, writes everything down.

    Args:
        cfg: of the run.
        checkpoints: by stage, to go on from, of rank 0; the others go on from the same.
        ranks: of which this process is one, where they know each other already.

    Raises:
        DlpipeError: as rank 0 told, where it cannot go on; and as the parts raise it.
    """
    here, checkpoints = get_rank_info(), checkpoints or {}
    with quiet_lightning(), report_disk_full():
        if here.world_size > 1:
            ranks = ranks or RankStore(here)  # kept until the end: rank 0 may be the one that serves it
            if (message := ranks.broadcast_decision("")) == FINISHED:
                return None
            if message:
                raise DlpipeError(message)
            cfg.output_dir = ranks.broadcast("directory", cfg.output_dir)
            found = json.loads(ranks.broadcast("checkpoints", json.dumps({k: str(v) for k, v in checkpoints.items()})))
            checkpoints = {stage: Path(path) for stage, path in found.items()}
            known = ranks.check_same_config(cfg)
            if here.rank == 0:
                run_directory.write_json(Path(cfg.output_dir) / run_directory.RANKS, known)
        with _loggers(cfg, here) as loggers:
            if not checkpoints:  # a run that begins again begins its record again
                for logger in loggers:
                    if hasattr(logger, "rewind"):
                        logger.rewind(EMPTY)
            return _execute(cfg, here, loggers, checkpoints)


def _execute(cfg: DictConfig, here: RankInfo, loggers: list[Any], checkpoints: Checkpoints) -> float | None:
    directory = Path(cfg.output_dir)
    torch.set_num_threads(cfg.threads)
    if cfg.tune_memory:
        tune_memory()
    pl.seed_everything(cfg.seed, verbose=False)
    data, model = _data(cfg, here), build_model(cfg.model)
    if cfg.init_from:
        start_from(cfg, model, write=here.rank == 0)
    results: list[StageResult] = []
    status, test = "failed", {}
    try:
        trainer = _train(cfg, model, data, here, loggers, checkpoints, results)
        seed_rng(cfg.seed, TEST, here.rank)
        test = _test_best(cfg, trainer, model, data)
        if report := callback_of(trainer, ConsoleReporter):
            results[-1] = replace(results[-1], evaluated=report.evaluated)
        status = "finished"
    except (KeyboardInterrupt, SystemExit) as error:
        status = "interrupted"
        if isinstance(error.__context__, KeyboardInterrupt):  # of which Lightning makes an exit with code 1
            raise error.__context__ from None
        raise
    except Exception:
        status = "interrupted" if results and results[-1].stopped_by == "interrupted" else "failed"
        raise
    finally:
        if results and here.rank == 0 and status != "finished":
            message = summarise(cfg, results, status, test).to_dict()
            run_directory.write_json(directory / run_directory.SUMMARY, message)
    if here.rank > 0:
        return None
    if here.world_size > 1:
        model = _whole(cfg, trainer, model)
    _export_weights(model, directory)
    summary = summarise(cfg, results, status, test)
    steps = sum(result.steps for result in results)
    if summary.best:
        for logger in loggers:
            logger.log_metrics({f"best/{summary.best['metric']}": summary.best["value"]}, steps)
    _draw(model, data, directory, loggers, steps)
    run_directory.write_json(directory / run_directory.SUMMARY, summary.to_dict())
    for line in [*lines(summary), f"run directory: {directory}"]:
        log.info(line)
    return summary.best["value"] if summary.best else None


def _train(
    cfg: DictConfig,
    model: pl.LightningModule,
    data: pl.LightningDataModule,
    here: RankInfo,
    loggers: list[Any],
    checkpoints: Checkpoints,
    results: list[StageResult],
) -> pl.Trainer:
    """Train the stages that are asked for and not over; the last one's Trainer."""
    stages = stages_of(model)
    asked = selected(stages, cfg.stages)
    for index, stage in enumerate(asked):
        own, checkpoint = config_of(cfg, stage.name), checkpoints.get(stage.name)
        if any(later.name in checkpoints for later in asked[index + 1 :]):
            results.append(restore_finished_stage(cfg, stage))
            continue
        stage_data = _data_of(stage, own, cfg, data, here)
        trainer = train(own, stage, stages.index(stage), results, stage_data, loggers, checkpoint)
    return trainer


def _data(cfg: DictConfig, here: RankInfo) -> pl.LightningDataModule:
    data = build_dataset(cfg.dataset)
    if here.world_size > 1:
        shard_training_data(data, here)
    return data


def _data_of(
    stage: Stage, own: DictConfig, cfg: DictConfig, data: pl.LightningDataModule, here: RankInfo
) -> pl.LightningDataModule:
    """What a stage trains on: the run's data, unless it has minibatches or a representation of its own."""
    if stage.encode is None and own.dataset == cfg.dataset:
        return data
    found = _data(own, here)
    if stage.encode:
        found.encode = stage.encode  # type: ignore[attr-defined]  # a TensorDataModule, as the checks made sure
    return found


@contextlib.contextmanager
def _loggers(cfg: DictConfig, here: RankInfo) -> Iterator[list[Any]]:
    """The composed loggers, of rank 0; W&B's run is closed whatever happens, or the next job would go on in it."""
    with contextlib.ExitStack() as stack:
        loggers = [_opened(node, stack) for node in cfg.logger.values()] if here.rank == 0 else []
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))
        yield loggers


def _opened(node: DictConfig, stack: contextlib.ExitStack) -> Any:
    logger = instantiate(node)
    if isinstance(logger, WandbLogger):
        from dlpipe.training.loggers.wandb import finish

        stack.push(lambda kind, *_: finish(logger, failed=kind is not None))
    return logger


def _test_best(
    cfg: DictConfig, trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule
) -> dict[str, float]:
    """Test the best weights: in one process they are loaded into the module, in several each rank loads its own.

    The modules of several stages have theirs already.
    """
    checkpoints = callback_of(trainer, BestAndLast)
    options: dict[str, Any] = {}
    if is_staged(model):
        for logger in trainer.loggers:
            logger.stage = TRAIN  # type: ignore[attr-defined]  # the test is the run's
    elif checkpoints and trainer.world_size > 1:
        read_checkpoint(checkpoints.best_path)  # refuses what Lightning's FSDP would unpickle
        options = {"ckpt_path": str(checkpoints.best_path), "weights_only": True}
    elif checkpoints:
        load_weights(model, checkpoints.best_path)
    last = stages_of(model)[-1]
    is_trained = last.name in [stage.name for stage in selected(stages_of(model), cfg.stages)]
    if not is_trained and not run_directory.best_of(Path(cfg.output_dir), last.name).is_file():
        log.info("no test: stage %s has not been trained", last.name)
        return {}
    if not is_overridden("test_step", model, pl.LightningModule):
        log.info("no test: %s has no test_step", type(model).__name__)
        return {}
    if not is_overridden("test_dataloader", data, pl.LightningDataModule):
        log.info("no test: %s has no test data", type(data).__name__)
        return {}
    tests = trainer.test(model, datamodule=data, verbose=False, **options)
    if not tests:
        log.info("no test: no minibatch of the test data is asked for")
        return {}
    return {name: float(value) for name, value in tests[0].items()}


def _whole(cfg: DictConfig, trainer: pl.Trainer, model: pl.LightningModule) -> pl.LightningModule:
    """A module of this process alone with the best weights; without checkpoints, those training ended with."""
    if not callback_of(trainer, BestAndLast):
        return model
    alone = build_model_seeded(cfg)
    load_stage_weights(alone, Path(cfg.output_dir), cfg.stages)
    return alone


def _export_weights(model: pl.LightningModule, directory: Path) -> None:
    with atomic_write(directory / run_directory.WEIGHTS) as temporary_path:
        save_model(model, str(temporary_path))


def _draw(
    model: pl.LightningModule, data: pl.LightningDataModule, directory: Path, loggers: list[Any], step: int
) -> None:
    """Figures as PNG in the run directory, and to every logger that takes images.

    The run is over and its numbers are written: what a module's figures may raise is told, and costs only them.
    """
    try:
        for name, image in draw_figures(directory, model, data):
            save_png(image, directory / run_directory.FIGURES / f"{name}.png")
            for logger in loggers:
                if hasattr(logger, "log_image"):
                    logger.log_image(f"figures/{name}", [image], step)
    except Exception:
        log.exception("the figures could not be drawn; mend it, then: python -m dlpipe figures %s", directory)
