"""What Hydra calls for each job, in this process or in a launcher's worker."""

import logging

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from dlpipe.config.compose import register
from dlpipe.errors import DlpipeError

register()  # a worker process of a launcher imports this module first
log = logging.getLogger(__name__)


def task(cfg: DictConfig) -> float | None:
    """Run the pipeline on a job's config.

    An error of the user's is told in one line; Hydra would show a traceback of our own code. In a sweep every
    failure is told when it happens, and kept in the job's log: Hydra tells the first, once all jobs are done.
    """
    from dlpipe.training.begin import run

    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        return run(cfg)
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


def run_nonzero_rank(cfg: DictConfig) -> int:
    """Train as a rank above 0 of what torchrun or srun started; returns the exit code.

    Hydra makes the directory and runs the task on rank 0 alone; here the config composed from the same command line
    is enough.
    """
    from dlpipe.training.pipeline import execute
    from dlpipe.training.stages.configs import with_stage_configs

    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    try:
        execute(with_stage_configs(cfg))
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    return 0
