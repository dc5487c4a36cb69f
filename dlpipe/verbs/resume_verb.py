"""``resume RUN``: go on with an interrupted run, in its own directory, from its last checkpoint."""

import logging
from pathlib import Path

from dlpipe.distributed.place import place
from dlpipe.errors import DlpipeError
from dlpipe.run_directory import read_config

log = logging.getLogger(__name__)


def main(run_dir: str) -> int:
    """Train what is left, test, and write everything down; exit code 1 where that fails.

    Raises:
        DlpipeError: the folder is no run's.
    """
    from dlpipe.begin import resume
    from dlpipe.compose import register
    from dlpipe.console import log_as_job
    from dlpipe.pipeline import execute

    directory = Path(run_dir).absolute()
    cfg = read_config(directory)
    register()
    try:
        if place().rank > 0:
            execute(cfg)
            return 0
        log_as_job(directory)
        resume(directory)
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
