"""What Hydra calls for a run, or for each job of a sweep, in this process or in a launcher's worker."""

import logging
import multiprocessing
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from dlpipe.cli.torch_import import torch_imported_without_collections
from dlpipe.config.search_path import register
from dlpipe.errors import DlpipeError
from dlpipe.operating_system import die_with_parent, unblock_interrupts

if TYPE_CHECKING:
    from dlpipe.training.prepared import Prepared

register()  # a worker process of a launcher imports this module first
log = logging.getLogger(__name__)


def task(cfg: DictConfig, prepared: "Prepared | None" = None) -> float | None:
    """Run a config, as `train`; log any error in a few lines, where Hydra would show a traceback of our own code."""
    unblock_interrupts()  # in a launcher's worker
    _end_with_parent()
    with torch_imported_without_collections():  # here, since Hydra's own flags do without
        from dlpipe.cli.sweep_job import run_job
        from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
        from dlpipe.training.error_report import log_error

    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return run_job(cfg)
    try:
        return train(cfg, prepared)
    except DlpipeError as error:
        log.error("%s", error)
        raise SystemExit(1) from error
    except StoppedBySignal:
        raise
    except (Exception, SystemExit) as error:  # the code of a model may raise anything
        log_error(error, cfg)
        raise SystemExit(1) from error


def _end_with_parent() -> None:
    """Let a worker of joblib end when the sweep is killed: it would wait for more jobs for ever."""
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        die_with_parent(os.getppid())


def train(cfg: DictConfig, prepared: "Prepared | None" = None) -> float | None:
    """Run a config, or resume the run in its directory; return the best value.

    Args:
        cfg: the config.
        prepared: the same config, where this process has checked it with its data; without it, the data is not
            checked again: the process that started Hydra has checked that of every job of a sweep.
    """
    from dlpipe.config.prepare import prepare, with_changes
    from dlpipe.training.run import resume, run

    run_of = prepared.relocated(str(cfg.output_dir)) if prepared else prepare(cfg, check_data=False)
    changed = with_changes(run_of, Path(cfg.output_dir))
    return run(run_of) if changed is run_of else resume(changed)


def run_nonzero_rank(cfg: DictConfig, prepared: "Prepared") -> int:
    """Train as a rank above 0 that torchrun or srun started; return the exit code.

    Hydra creates the directory and runs the task only on rank 0; the other ranks use what they prepared from the same
    command line.
    """
    from dlpipe.config.prepare import with_changes
    from dlpipe.training.error_report import log_error
    from dlpipe.training.run import train_as_rank

    HydraConfig.instance().set_config(cfg)
    try:
        train_as_rank(with_changes(prepared, Path(cfg.hydra.run.dir)))
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    except Exception as error:
        log_error(error, prepared.config)
        return 1
    return 0
