"""What Hydra calls for each job, in this process or in a launcher's worker."""

import logging
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from dlpipe.config.compose import register
from dlpipe.errors import DlpipeError

if TYPE_CHECKING:
    from dlpipe.training.prepared import Prepared

register()  # a worker process of a launcher imports this module first
log = logging.getLogger(__name__)
# the run that this process has checked and Hydra is about to start; a sweep's jobs are prepared when they start
checked: "list[Prepared]" = []


def task(cfg: DictConfig) -> float | None:
    """Run a job's config.

    An error of the user's is told in one line; Hydra would show a traceback of our own code. In a sweep every
    failure is logged when it happens, and kept in the job's log: Hydra shows the first, once all jobs are done.
    """
    from dlpipe.training.run import run  # imports torch, which Hydra's own flags do without

    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        return run(_prepared(cfg))
    except DlpipeError as error:
        log.error("%s", error)
        if in_sweep:
            raise error.with_traceback(None) from None
        raise SystemExit(1) from error
    except Exception as error:
        if in_sweep:
            log.exception("this job failed")
            raise error.with_traceback(None) from None
        raise


def _prepared(cfg: DictConfig) -> "Prepared":
    """What this process has checked, where it is this very config; else the config is prepared here."""
    from dlpipe.config.prepare import prepare, resolved_config
    from dlpipe.runs.config_file import config_digest

    found = checked.pop() if checked else None
    if found and config_digest(found.config) == config_digest(resolved_config(cfg)):
        return found.relocated(str(cfg.output_dir))
    return prepare(cfg)


def run_nonzero_rank(cfg: DictConfig, prepared: "Prepared") -> int:
    """Train as a rank above 0 of what torchrun or srun started; returns the exit code.

    Hydra makes the directory and runs the task on rank 0 alone; here what was prepared from the same command line is
    enough.
    """
    from dlpipe.training.run import train_as_rank

    HydraConfig.instance().set_config(cfg)
    try:
        train_as_rank(prepared)
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    return 0
