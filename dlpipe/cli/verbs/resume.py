"""``resume RUN``: go on with an interrupted run, in its own directory, from its last checkpoint."""

import logging
import traceback
from functools import partial
from pathlib import Path

from dlpipe.cli.verbs.parser import run_parser
from dlpipe.errors import DlpipeError
from dlpipe.runs.directory import check_links, checked_config, read_config, read_summary
from dlpipe.training.distributed.rank_info import get_rank_info

log = logging.getLogger(__name__)


def main(*arguments: str) -> int:
    """Train what is left, test, and write everything down; exit code 1 where that fails.

    Raises:
        DlpipeError: the folder is no run's, or its config cannot be run.
    """
    from dlpipe.cli.console import LOG, log_as_job
    from dlpipe.cli.verbs.opened import one_line_error
    from dlpipe.config.checks.import_checks import check_stored
    from dlpipe.config.compose import register
    from dlpipe.training.begin import resume
    from dlpipe.training.pipeline import execute

    asked = run_parser("resume").parse_args(arguments)
    directory = Path(asked.run).absolute()
    cfg = read_config(directory)
    check_links(directory)
    if read_summary(directory).get("status") != "finished":  # which is left as it is, also where it could not be run
        checked_config(directory, partial(check_stored, trust=asked.trust))
    register()
    try:
        if get_rank_info().rank > 0:
            execute(cfg)
            return 0
        log_as_job(directory)
        resume(directory)
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except Exception as error:  # of anybody's module
        log.error("%s. The traceback is in %s", one_line_error(directory, error), directory / LOG)
        with (directory / LOG).open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        return 1
    return 0
