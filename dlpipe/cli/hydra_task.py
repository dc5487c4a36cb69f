"""What Hydra calls for each job, in this process or in a launcher's worker."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from dlpipe.config.search_path import register
from dlpipe.errors import DlpipeError
from dlpipe.operating_system import unblock_interrupts
from dlpipe.runs.directory import has_diverged

if TYPE_CHECKING:
    from dlpipe.training.prepared import Prepared

register()  # a worker process of a launcher imports this module first
log = logging.getLogger(__name__)
# the run that this process has checked and Hydra is about to start; a sweep's jobs are prepared when they start
checked: "list[Prepared]" = []


class JobError(DlpipeError, CompactHydraException):
    """A job of a sweep has failed and has logged its error; Hydra prints this kind without its traceback."""


def task(cfg: DictConfig) -> float | None:
    """Run a job's config; log any error in a few lines, where Hydra would show a traceback of our own code.

    In a sweep every failure is logged when it happens: Hydra itself only shows the first, after all jobs. A job that
    diverged is the worst result: a sweeper such as Optuna would end its study at NaN or at a failed job.
    """
    unblock_interrupts()  # in a launcher's worker
    from dlpipe.config.prepare import with_changes
    from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
    from dlpipe.training.callbacks.monitor import worst
    from dlpipe.training.error_report import log_error, one_line
    from dlpipe.training.run import resume, run  # imports torch, which Hydra's own flags do without

    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        prepared = _prepared(cfg)
        changed = with_changes(prepared, Path(cfg.output_dir))
        return run(prepared) if changed is prepared else resume(changed)
    except DlpipeError as error:
        log.error("%s", error)
        if in_sweep and has_diverged(Path(cfg.output_dir)):
            return worst(cfg.recipe.monitor_mode)
        if in_sweep:
            raise JobError(str(error)) from None
        raise SystemExit(1) from error
    except StoppedBySignal:
        raise
    except (Exception, SystemExit) as error:  # the code of a model may raise anything
        log_error(error, cfg)
        if in_sweep:
            # not the exception itself: a launcher pickles it, and not every class can be unpickled
            raise JobError(one_line(error, cfg)) from None
        raise SystemExit(1) from error


def _prepared(cfg: DictConfig) -> "Prepared":
    """The run that this process has already checked, if it has the same config; otherwise prepare the config.

    The process that started Hydra has checked the data, of every job of a sweep.
    """
    from dlpipe.config.prepare import prepare, resolved_config
    from dlpipe.runs.config_file import config_digest

    prepared = checked.pop() if checked else None
    if prepared and config_digest(prepared.config) == config_digest(resolved_config(cfg)):
        return prepared.relocated(str(cfg.output_dir))
    return prepare(cfg, check_data=False)


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
