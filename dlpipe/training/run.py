"""A run, from its prepared config to its summary: claim the directory, train each stage, test, write the outputs."""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from dlpipe.atomic import DAY, remove_leftovers
from dlpipe.contract import optional_method
from dlpipe.data.split_cache import clear_split_cache
from dlpipe.errors import DlpipeError, PrunedError, system_errors_in_one_line
from dlpipe.runs import directory as names
from dlpipe.runs.config_file import create_run_directory, read_original_config
from dlpipe.runs.directory import has_diverged, read_summary, write_json
from dlpipe.runs.lock import run_directory_lock
from dlpipe.runs.stage_result import StageResult
from dlpipe.runs.summary import lines
from dlpipe.training.build import build_sharded_dataset, stage_data
from dlpipe.training.callbacks.console_reporter import ConsoleReporter
from dlpipe.training.callbacks.run_overview import RunOverview
from dlpipe.training.distributed.process_group import no_process_group_left
from dlpipe.training.distributed.rank_info import RankInfo, get_rank_info
from dlpipe.training.distributed.rank_store import FINISHED, RankStore
from dlpipe.training.error_report import log_error
from dlpipe.training.loggers.open_loggers import open_loggers
from dlpipe.training.prepared import Prepared
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.resume.resume_point import checkpoints_to_resume, note_resumption, same_run
from dlpipe.training.resume.rng import TEST, restore_rng_state, seed_rng
from dlpipe.training.run_files import draw, export_weights, module_of_one_process, provenance_of
from dlpipe.training.run_progress import RunProgress
from dlpipe.training.speed.memory import tune_memory
from dlpipe.training.stages.init_from import start_from
from dlpipe.training.stages.train import restore_finished_stage, train_stage
from dlpipe.training.test_best import test_best
from dlpipe.training.trainer import find_callback

log = logging.getLogger(__name__)
Checkpoints = dict[str, Path]  # by stage
THEN_RESUME = ", then run: python -m dlpipe resume RUN_DIR"


def run(prepared: Prepared) -> float | None:
    """Claim the run's directory, then train, test and write all outputs, in this process or in one per device.

    Returns:
        The best value of the monitored metric, which a Hydra sweeper optimises, also of a run that was pruned; None if
        nothing was monitored.

    Raises:
        DlpipeError: from any step of the run.
    """
    directory = Path(prepared.config.output_dir)
    with system_errors_in_one_line(THEN_RESUME), _rank_store() as ranks:
        directory.mkdir(parents=True, exist_ok=True)
        with run_directory_lock(directory):
            if prepared.settings.resume and (directory / names.CONFIG).is_file():
                same_run(read_original_config(directory), prepared.config, directory)
                return _resume(prepared, ranks)
            create_run_directory(directory, prepared.config)
            write_json(directory / names.PROVENANCE, provenance_of(prepared.config))
            return _train_on_all_devices(prepared, {}, ranks)


def resume(prepared: Prepared, change: dict[str, Any] | None = None) -> float | None:
    """Resume the run in its directory from its last checkpoint; do nothing if it is finished.

    Args:
        prepared: the run, with the change.
        change: its record for the provenance; a finished run trains on then.

    Returns:
        As `run`.

    Raises:
        DlpipeError: another process uses the directory, none of its checkpoints can be read; or from any step of the
            run.
    """
    with (
        system_errors_in_one_line(THEN_RESUME),
        _rank_store() as ranks,
        run_directory_lock(Path(prepared.config.output_dir)),
    ):
        return _resume(prepared, ranks, change)


def _resume(prepared: Prepared, ranks: RankStore | None, change: dict[str, Any] | None = None) -> float | None:
    directory = Path(prepared.config.output_dir)
    _remove_leftovers(directory)
    is_finished = read_summary(directory).get("status") == "finished"
    if is_finished and not change:
        log.info("%s is finished: nothing is left to train", directory)
        if ranks:
            ranks.broadcast_decision(FINISHED)
        return _best_value(directory)
    if has_diverged(directory):
        message = "it would diverge again in the same way. Start another run, for example with a smaller recipe.lr"
        raise DlpipeError(f"{directory} has diverged, and {message}")
    checkpoints = checkpoints_to_resume(prepared.config)
    now = provenance_of(prepared.config)
    if change and is_finished:  # killed between the two writes, the run is as before, and ends with the same summary
        (directory / names.SUMMARY).unlink(missing_ok=True)
    note_resumption(directory, now, [change] if change else [])
    (directory / names.RANKS).unlink(missing_ok=True)  # a run may be resumed on another number of devices
    if not checkpoints:
        log.info("No checkpoint found; starting from scratch")
    return _train_on_all_devices(prepared, checkpoints, ranks)


def _train_on_all_devices(prepared: Prepared, checkpoints: Checkpoints, ranks: RankStore | None) -> float | None:
    """Train in this process, or in one per device."""
    if prepared.num_processes > 1 and get_rank_info().launcher is None:
        from dlpipe.training.distributed.launch import launch

        clear_split_cache()  # loaded by the checks; each rank loads its own data
        launch(Path(prepared.config.output_dir), prepared.num_processes, checkpoints)
        return _best_value(Path(prepared.config.output_dir))
    return train_as_rank(prepared, checkpoints, ranks)


def train_as_rank(
    prepared: Prepared, checkpoints: Checkpoints | None = None, ranks: RankStore | None = None
) -> float | None:
    """Train and test as one rank of the run; rank 0 writes all outputs (a single process is rank 0).

    Args:
        prepared: the run.
        checkpoints: rank 0's checkpoints to resume from, which the other ranks use too.
        ranks: the store shared by the ranks, if this process has already joined it.

    Returns:
        As `run` on rank 0; None on other ranks.

    Raises:
        DlpipeError: rank 0 cannot start; or from any step of the run.
    """
    rank, checkpoints = get_rank_info(), checkpoints or {}
    alone = no_process_group_left() if rank.world_size == 1 else contextlib.nullcontext()
    with quiet_lightning(), system_errors_in_one_line(THEN_RESUME), alone:
        if rank.world_size > 1:
            ranks = ranks or RankStore(rank)  # keep it alive until the end: rank 0 may be its server
            if (message := ranks.broadcast_decision("")) == FINISHED:
                return None
            if message:
                raise DlpipeError(message)
            prepared, checkpoints = _as_rank_0(prepared, checkpoints, rank, ranks)
        with open_loggers(prepared.config, rank, from_scratch=not checkpoints) as loggers:
            return _train_and_test(prepared, checkpoints, loggers, rank)


def _train_and_test(prepared: Prepared, checkpoints: Checkpoints, loggers: list[Any], rank: RankInfo) -> float | None:
    config, settings = prepared.config, prepared.settings
    _set_up_process(prepared)
    data = build_sharded_dataset(config, rank)
    if settings.init_from:
        start_from(config, prepared.model, write=rank.rank == 0)
    progress = _train_stages(prepared, checkpoints, data, loggers, rank)
    if progress.error is None:
        seed_rng(settings.seed, TEST, rank.rank)
        progress = _test(progress, prepared, data)
    if progress.error is not None:
        summary = progress.summary(prepared)
        if rank.rank == 0:
            summary.write(Path(config.output_dir))
        if isinstance(progress.error, PrunedError):
            log.info("%s", progress.error)
            return summary.best["value"] if summary.best else None
        raise _original_error(progress.error)
    return _write_outputs(prepared, progress, data, loggers, rank) if rank.rank == 0 else None


def _train_stages(
    prepared: Prepared, checkpoints: Checkpoints, data: pl.LightningDataModule, loggers: list[Any], rank: RankInfo
) -> RunProgress:
    """Train the selected stages, but restore those that had finished before the run was resumed."""
    stages, selected = prepared.stages, prepared.selected_stages
    results: list[StageResult] = []
    trainer = None
    for index, stage in enumerate(selected):
        if any(later.name in checkpoints for later in selected[index + 1 :]):
            results.append(restore_finished_stage(prepared.config, stage))
            continue
        config = prepared.stage_config(stage)
        overview = RunOverview(prepared, config, is_first=trainer is None)
        fit = train_stage(
            replace(stage, callbacks=[*stage.callbacks, overview]),
            config,
            position=stages.index(stage),
            steps_before=sum(result.steps for result in results),
            data=stage_data(prepared, stage, data, rank),
            loggers=loggers,
            checkpoint=checkpoints.get(stage.name),
        )
        results.append(fit.result)
        trainer = fit.trainer
        if fit.error is not None:
            return RunProgress(results, trainer, error=fit.error)
    return RunProgress(results, trainer)


def _test(progress: RunProgress, prepared: Prepared, data: pl.LightningDataModule) -> RunProgress:
    """Test the best weights, and add the number of evaluated examples to the last stage's result."""
    assert progress.trainer is not None
    try:
        test = test_best(prepared, progress.trainer, data)
    except BaseException as error:
        return replace(progress, error=error)
    results = progress.results
    if reporter := find_callback(progress.trainer, ConsoleReporter):
        results = [*results[:-1], replace(results[-1], evaluated=reporter.evaluated)]
    return replace(progress, results=results, test=test)


def _write_outputs(
    prepared: Prepared, progress: RunProgress, data: pl.LightningDataModule, loggers: list[Any], rank: RankInfo
) -> float | None:
    """Write weights, figures and summary of a finished run; return its best value."""
    directory, summary = Path(prepared.config.output_dir), progress.summary(prepared)
    model = prepared.model
    if rank.world_size > 1:
        model = module_of_one_process(prepared, progress.trainer)
    export_weights(model, directory)
    steps = sum(result.steps for result in progress.results)
    if summary.best:
        for logger in loggers:
            logger.log_metrics({f"best/{summary.best['metric']}": summary.best["value"]}, steps)
    draw(prepared.config, model, data, loggers, steps, summary.best)
    summary.write(directory)
    for line in [*lines(summary), f"run directory: {directory}"]:
        log.info(line)
    _call_on_run_end(progress.trainer, prepared.config)
    return summary.best["value"] if summary.best else None


def _call_on_run_end(trainer: pl.Trainer | None, config: DictConfig) -> None:
    """Call the callbacks of the last stage, with the run's directory."""
    for callback in trainer.callbacks if trainer else []:  # type: ignore[attr-defined]
        if on_run_end := optional_method(callback, "on_run_end"):
            try:
                on_run_end(Path(config.output_dir))
            except Exception as error:
                log_error(error, config)


def _set_up_process(prepared: Prepared) -> None:
    """Set the number of threads, the memory allocator, and the state of all random generators."""
    torch.set_num_threads(prepared.settings.threads)
    if prepared.settings.tune_memory:
        tune_memory()
    pl.seed_everything(prepared.settings.seed, verbose=False)
    restore_rng_state(prepared.rng_state, prepared.model)


def _original_error(error: BaseException) -> BaseException:
    """The KeyboardInterrupt that Lightning turned into an exit with code 1; any other error itself."""
    interrupt = error.__context__
    return interrupt if isinstance(error, SystemExit) and isinstance(interrupt, KeyboardInterrupt) else error


def _as_rank_0(
    prepared: Prepared, checkpoints: Checkpoints, rank: RankInfo, ranks: RankStore
) -> tuple[Prepared, Checkpoints]:
    """The run with rank 0's directory, and its checkpoints, after checking that all ranks run the same config."""
    prepared = prepared.relocated(ranks.broadcast("directory", prepared.config.output_dir))
    paths = json.loads(ranks.broadcast("checkpoints", json.dumps({k: str(v) for k, v in checkpoints.items()})))
    reports = ranks.check_same_config(prepared.config)
    if rank.rank == 0:
        write_json(Path(prepared.config.output_dir) / names.RANKS, reports)
    return prepared, {stage: Path(path) for stage, path in paths.items()}


@contextlib.contextmanager
def _rank_store() -> Iterator[RankStore | None]:
    """The store of the ranks that torchrun or srun started; if rank 0 cannot start, it sends the others its error."""
    rank = get_rank_info()
    ranks = RankStore(rank) if rank.world_size > 1 else None
    try:
        yield ranks
    except DlpipeError as error:
        if ranks and not ranks.decided:
            ranks.broadcast_decision(str(error))
        raise


def _best_value(directory: Path) -> float | None:
    best = read_summary(directory)["best"]
    return best["value"] if best else None


def _remove_leftovers(directory: Path) -> None:
    """Delete temporary files of a killed process; those of `figures` and `sample`, which take no lock, after a day."""
    remove_leftovers([*directory.iterdir(), *(directory / names.CHECKPOINTS).rglob("*")])
    remove_leftovers(directory.rglob("*"), older_than=DAY)
