"""``python -m dlpipe.cli.rank RUN_DIR STATE PARENT``: one rank of a run that `launch` started."""

import ctypes
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(run_dir: str, state: str, parent: str) -> int:
    """Train as one rank; the launcher reads and logs its error."""
    _die_with(int(parent))
    given = pickle.loads(Path(state).read_bytes())
    sys.path[:] = given["sys.path"]  # of before Hydra changed the directory
    for number in (signal.SIGINT, signal.SIGTERM):  # there is nothing to save yet, and a traceback would say nothing
        signal.signal(number, signal.SIG_DFL)
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    from dlpipe.config.prepare import prepare_stored
    from dlpipe.errors import DlpipeError
    from dlpipe.runs.config_file import config_digest, read_config
    from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
    from dlpipe.training.run import train_as_rank

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    handler = get_error_handler()
    handler.initialize()
    try:
        _become_job(Path(run_dir), given["hydra"])
        config = read_config(Path(run_dir))
        if config_digest(config) != given["config_digest"]:
            raise DlpipeError(f"the config in {run_dir} was changed while this rank started; start the run again")
        # the process that started this one has checked what the config may do, and the data
        train_as_rank(prepare_stored(config, trust=True, check_data=False), given["checkpoints"])
    except StoppedBySignal as left:
        return int(left.code)  # type: ignore[arg-type]  # it is a number
    except DlpipeError as error:
        error.__cause__, error.__suppress_context__ = None, True
        handler.record_exception(error.with_traceback(None))
        return 1
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # Lightning turns the second into the third
        handler.record_exception(error)
        return 1
    return 0


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however that dies (Linux; elsewhere nothing does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            os.kill(os.getpid(), signal.SIGKILL)


def _become_job(run_dir: Path, config: Any) -> None:
    """Take over the launching process's Hydra config, if any, and log as it does; beside rank 0 only warnings."""
    import logging

    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import configure_log, setup_globals

    from dlpipe.cli.console import log_as_job
    from dlpipe.config.search_path import register
    from dlpipe.training.distributed.rank_info import get_rank_info

    setup_globals()
    register()
    HydraConfig.instance().cfg = config
    if config is None:
        log_as_job(run_dir)
    else:
        configure_log(config.hydra.job_logging, config.hydra.verbose)
    if get_rank_info().rank > 0:
        logging.getLogger().setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
