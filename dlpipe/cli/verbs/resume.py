"""Resume an interrupted run from its last checkpoint, in its own directory; overrides change what may still change."""

import argparse
import logging
from pathlib import Path

from omegaconf import DictConfig

from dlpipe.cli.console import log_as_job
from dlpipe.config.changes import Change, changed
from dlpipe.config.prepare import prepare_stored
from dlpipe.config.search_path import register
from dlpipe.config.stored_run import config_errors
from dlpipe.errors import DlpipeError, refuse
from dlpipe.plugins import registry
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import check_links, check_writable, read_summary
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.error_report import log_error
from dlpipe.training.prepared import Prepared
from dlpipe.training.resume.changes import warnings_of
from dlpipe.training.resume.resume_point import is_longer, length_problems
from dlpipe.training.run import resume, train_as_rank

log = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> int:
    """Train to the end, test, and write the results; exit code 1 if that fails."""
    directory, overrides = Path(arguments.run).absolute(), arguments.overrides
    registry.user_conf_dirs[:] = [Path(folder).absolute() for folder in arguments.config_dir]
    config, rank = read_config(directory), get_rank_info().rank
    check_links(directory)
    change = changed(directory, config, overrides) if overrides else None
    prepared = _prepared_change(config, change, arguments.trust) if change and change.values else None
    is_finished = read_summary(directory).get("status") == "finished"
    if is_finished and not (prepared and is_longer(prepared)):  # it is left as it is, whatever its config
        if rank == 0:
            print(f"{directory} is finished: nothing is left to train")
        return 0
    check_writable(directory)
    if prepared is None:
        change = None
        with config_errors(directory):
            prepared = prepare_stored(config, arguments.trust)
    register()
    try:
        if rank > 0:
            train_as_rank(prepared)
            return 0
        log_as_job(directory)
        for warning in warnings_of(change.values) if change else []:
            log.warning("%s", warning)
        resume(prepared, change.record() if change else None)
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    except StoppedBySignal as stopped:
        return int(stopped.code)  # type: ignore[arg-type]  # it is a number
    except (Exception, SystemExit) as error:  # the module's own code may raise anything
        log_error(
            error,
            config,
            f"{directory} does not work. Its model has an error, or its config or checkpoint has been changed",
        )
        return 1
    return 0


def _prepared_change(before: DictConfig, change: Change, trust: bool) -> Prepared:
    """The run after a change; a RequestError if this comes too late."""
    prepared = prepare_stored(change.config, trust, typed=change.typed)
    refuse(length_problems(before, prepared))
    return prepared
