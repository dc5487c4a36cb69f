"""``resume RUN``: resume an interrupted run, in its own directory, from its last checkpoint."""

import logging
import traceback
from pathlib import Path

from dlpipe.cli.verbs.parser import run_parser
from dlpipe.errors import DlpipeError
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import check_links, read_summary
from dlpipe.training.distributed.rank_info import get_rank_info

log = logging.getLogger(__name__)


def main(*arguments: str) -> int:
    """Train what is left, test, and write everything down; exit code 1 where that fails.

    Raises:
        DlpipeError: the folder is no run's, or its config cannot be run.
    """
    from dlpipe.cli.console import LOG, log_as_job
    from dlpipe.cli.verbs.opened import one_line_error
    from dlpipe.config.compose import register
    from dlpipe.config.prepare import prepare_stored
    from dlpipe.config.stored_run import checked
    from dlpipe.training.run import resume, train_as_rank

    asked = run_parser("resume").parse_args(arguments)
    directory = Path(asked.run).absolute()
    config, rank = read_config(directory), get_rank_info().rank
    check_links(directory)
    if read_summary(directory).get("status") == "finished":  # it is left as it is, also where it could not be run
        if rank == 0:
            log_as_job(directory)
            log.info("%s is finished: nothing is left to train", directory)
        return 0
    prepared = checked(directory, lambda: prepare_stored(config, asked.trust))
    register()
    try:
        if rank > 0:
            train_as_rank(prepared)
            return 0
        log_as_job(directory)
        resume(prepared)
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
