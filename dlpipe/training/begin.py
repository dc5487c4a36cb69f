"""Begin a run, or go on with one: its directory, and the process or processes that train."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dlpipe.atomic import DAY, remove_leftovers
from dlpipe.data.files import sha256_of
from dlpipe.data.split_cache import clear_split_cache
from dlpipe.errors import DlpipeError
from dlpipe.runs import directory as run_directory
from dlpipe.runs.lock import run_directory_lock
from dlpipe.runs.provenance import provenance
from dlpipe.training.build import build_dataset, num_processes
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.distributed.rank_store import FINISHED, RankStore
from dlpipe.training.pipeline import Checkpoints, execute
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.resume.full_disk import report_disk_full
from dlpipe.training.resume.resume_point import checkpoints_to_resume, note_resumption, same_run
from dlpipe.training.stages.configs import with_stage_configs
from dlpipe.training.stages.init_from import weights_to_start_from

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> float | None:
    """Claim the run's directory, then train, test and write everything down: here, or in a process for each device.

    Returns:
        The best value of the monitored metric, which is what a Hydra sweeper optimises; None without one.

    Raises:
        DlpipeError: as the parts raise it.
    """
    if cfg.init_from:
        cfg.init_from = str(Path(cfg.init_from).absolute())  # the run may be gone on with from another folder
    cfg, directory = with_stage_configs(cfg), Path(cfg.output_dir)
    with report_disk_full(), _with_other_ranks() as ranks:
        directory.mkdir(parents=True, exist_ok=True)
        with run_directory_lock(directory):
            if cfg.resume and (directory / run_directory.CONFIG).is_file():
                own = run_directory.read_config(directory)
                same_run(own, cfg, directory)
                return _resume(own, directory, ranks)
            run_directory.create_run_directory(directory, cfg)
            run_directory.write_json(directory / run_directory.PROVENANCE, provenance_of(cfg))
            return _train(cfg, {}, ranks)


def resume(directory: Path) -> float | None:
    """Go on with the run in a directory, from its last checkpoint; a finished one is left as it is.

    Returns:
        As `run`.

    Raises:
        DlpipeError: the directory is no run's or another process works there; none of its checkpoints can be read;
            and as the parts raise it.
    """
    with report_disk_full(), _with_other_ranks() as ranks:
        cfg = run_directory.read_config(directory)
        with run_directory_lock(directory):
            return _resume(cfg, directory, ranks)


def _resume(cfg: DictConfig, directory: Path, ranks: RankStore | None) -> float | None:
    _remove_leftovers(directory)
    if run_directory.read_summary(directory).get("status") == "finished":
        log.info("%s is finished: nothing is left to train", directory)
        if ranks:
            ranks.broadcast_decision(FINISHED)
        return _best_of(directory)
    checkpoints = checkpoints_to_resume(cfg)
    note_resumption(directory, provenance_of(cfg))
    if not checkpoints:
        log.info("there is no checkpoint to go on from: beginning again")
    return _train(cfg, checkpoints, ranks)


def _remove_leftovers(directory: Path) -> None:
    """Delete the temporary files of an earlier process, which had the lock that this one has.

    The commands `figures` and `sample` may be writing elsewhere in the directory now: they take no lock.
    """
    remove_leftovers([*directory.iterdir(), *(directory / run_directory.CHECKPOINTS).rglob("*")])
    remove_leftovers(directory.rglob("*"), older_than=DAY)


@contextlib.contextmanager
def _with_other_ranks() -> Iterator[RankStore | None]:
    """As rank 0 of those that torchrun or srun started, tell the others why where it cannot begin."""
    ranks = RankStore(get_rank_info()) if get_rank_info().world_size > 1 else None
    try:
        yield ranks
    except DlpipeError as error:
        if ranks and not ranks.decided:
            ranks.broadcast_decision(str(error))
        raise


def provenance_of(cfg: DictConfig) -> dict[str, Any]:
    """What a run of this config would come from, now and here."""
    with quiet_lightning():
        checksums = getattr(build_dataset(cfg.dataset), "checksums", dict)
    start = {stage: sha256_of(path) for stage, path in weights_to_start_from(cfg).items()}
    return provenance(Path(cfg.output_dir), checksums(), start, cfg.threads)


def _best_of(directory: Path) -> float | None:
    best = run_directory.read_summary(directory)["best"]
    return best["value"] if best else None


def _train(cfg: DictConfig, checkpoints: Checkpoints, ranks: RankStore | None) -> float | None:
    """Here, or in a process for each device."""
    with quiet_lightning():
        count = num_processes(cfg.trainer)
    if count > 1 and get_rank_info().launcher is None:
        from dlpipe.training.distributed.launch import launch

        clear_split_cache()  # what the checks loaded: each rank loads its own
        launch(Path(cfg.output_dir), count, checkpoints)
        return _best_of(Path(cfg.output_dir))
    return execute(cfg, checkpoints, ranks)
