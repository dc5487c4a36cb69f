"""What Hydra calls for each job, in this process or in a launcher's worker."""

import logging

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from dlpipe.compose import register
from dlpipe.errors import DlpipeError

register()  # a worker process of a launcher imports this module first
log = logging.getLogger(__name__)


def task(cfg: DictConfig) -> float | None:
    """Run the pipeline on a job's config.

    An error of the user's is told in one line; Hydra would show a traceback of our own code.
    """
    from dlpipe.pipeline import run

    try:
        return run(cfg)
    except DlpipeError as error:
        log.error("%s", error)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        raise SystemExit(1) from error
