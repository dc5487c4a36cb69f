"""Resume an interrupted run from its last checkpoint, in its own directory."""

import argparse
import logging
from pathlib import Path

from dlpipe.cli.console import log_as_job
from dlpipe.cli.run_errors import LIKELY_CAUSE
from dlpipe.config.prepare import prepare_stored
from dlpipe.config.search_path import register
from dlpipe.config.stored_run import config_errors
from dlpipe.errors import DlpipeError
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import check_links, check_writable, read_summary
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.error_report import log_error
from dlpipe.training.run import resume, train_as_rank

log = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> int:
    """Train to the end, test, and write the results; exit code 1 if that fails."""
    directory = Path(arguments.run).absolute()
    config, rank = read_config(directory), get_rank_info().rank
    check_links(directory)
    if read_summary(directory).get("status") == "finished":  # it is left as it is, whatever its config
        if rank == 0:
            print(f"{directory} is finished: nothing is left to train")
        return 0
    check_writable(directory)
    with config_errors(directory):
        prepared = prepare_stored(config, arguments.trust)
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
    except StoppedBySignal as stopped:
        return int(stopped.code)  # type: ignore[arg-type]  # it is a number
    except (Exception, SystemExit) as error:  # the module's own code may raise anything
        log_error(error, config, f"{directory} does not work. {LIKELY_CAUSE}")
        return 1
    return 0
