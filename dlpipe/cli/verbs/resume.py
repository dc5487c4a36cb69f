"""Resume a run from its last checkpoint, or run what is missing of a sweep; overrides change what may still change."""

import argparse
import logging
from pathlib import Path

from dlpipe.cli.console import log_as_job
from dlpipe.cli.flags import use_config_dirs
from dlpipe.cli.sweep import resume_sweep
from dlpipe.config.resumption import prepare_resumption
from dlpipe.config.search_path import register
from dlpipe.errors import DlpipeError, Problem, refuse
from dlpipe.sweeps.sweep_file import is_sweep, sweep_of
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.error_report import log_error
from dlpipe.training.run import resume, train_as_rank

log = logging.getLogger(__name__)
ADD_JOBS = "add jobs with python -m dlpipe -m ... hydra.sweep.dir=SWEEP resume=auto"


def main(arguments: argparse.Namespace) -> int:
    """Train to the end, test, and write the results; exit code 1 if that fails."""
    directory, rank = Path(arguments.run).absolute(), get_rank_info().rank
    if is_sweep(directory):
        refuse(Problem(text, f"a sweep takes no overrides; {ADD_JOBS}") for text in arguments.overrides)
        return resume_sweep(directory, arguments.failed, arguments.force, arguments.trust)
    for flag in ("failed", "force"):
        refuse([Problem(f"--{flag}", f"is for a sweep, and {directory} is none")] if vars(arguments)[flag] else [])
    if rank == 0 and (sweep := sweep_of(directory)):
        print(f"{directory} is one job of a sweep; all of them: python -m dlpipe resume {sweep}", flush=True)
    use_config_dirs(arguments.config_dir)
    resumption = prepare_resumption(directory, arguments.overrides, arguments.trust)
    if resumption is None:
        if rank == 0:
            print(f"{directory} is finished: nothing is left to train")
        return 0
    register()
    try:
        if rank > 0:
            train_as_rank(resumption.prepared)
            return 0
        log_as_job(directory)
        for warning in resumption.warnings:
            log.warning("%s", warning)
        resume(resumption.prepared, resumption.change)
    except DlpipeError as error:
        log.error("%s", error)
        return 1
    except StoppedBySignal as stopped:
        return int(stopped.code)  # type: ignore[arg-type]  # it is a number
    except (Exception, SystemExit) as error:  # the module's own code may raise anything
        cause = "Its model has an error, or its config or checkpoint has been changed"
        log_error(error, resumption.prepared.config, f"{directory} does not work. {cause}")
        return 1
    return 0
