"""``python rank.py RUN_DIR STATE PARENT``: one rank of a run that `dlpipe.training.distributed.launch` started."""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main(run_dir: str, state: str, parent: str) -> int:
    """Train as one rank; the launcher reads and logs its error."""
    given = json.loads(Path(state).read_text(encoding="utf-8"))
    sys.path[:] = given["sys.path"]  # as it was before Hydra changed the working directory
    from dlpipe.operating_system import die_with_parent, unblock_interrupts

    die_with_parent(int(parent))
    for number in (signal.SIGINT, signal.SIGTERM):  # there is nothing to save yet, and a traceback would not help
        signal.signal(number, signal.SIG_DFL)
    unblock_interrupts()
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    from dlpipe.config.prepare import prepare_stored
    from dlpipe.errors import DlpipeError
    from dlpipe.runs.config_file import config_digest, read_config
    from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
    from dlpipe.training.error_report import RankError, report
    from dlpipe.training.run import train_as_rank

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    handler = get_error_handler()
    handler.initialize()
    config = read_config(Path(run_dir))
    try:
        _become_job(config, given["hydra"])
        if config_digest(config) != given["config_digest"]:
            raise DlpipeError(f"the config in {run_dir} was changed while this rank started; start the run again")
        # the launcher has already checked the data and what the config may do
        checkpoints = {stage: Path(path) for stage, path in given["checkpoints"].items()}
        train_as_rank(prepare_stored(config, trust=True, check_data=False), checkpoints)
    except StoppedBySignal as error:
        return int(error.code)  # type: ignore[arg-type]  # it is a number
    except DlpipeError as error:
        error.__cause__, error.__suppress_context__ = None, True
        handler.record_exception(error.with_traceback(None))
        return 1
    except Exception as error:
        handler.record_exception(RankError(report(error, config)))
        return 1
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning turns the first into the second
        handler.record_exception(error)
        return 1
    return 0


def _become_job(config: "DictConfig", hydra_node: dict[str, Any] | None) -> None:
    """Use the launcher's Hydra config, if any, and its logging; ranks above 0 log only warnings."""
    import logging

    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import configure_log, setup_globals
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from dlpipe.cli.console import log_as_job
    from dlpipe.config.search_path import register
    from dlpipe.training.distributed.rank_info import get_rank_info

    setup_globals()
    register()
    mode = hydra_node["mode"] if hydra_node else None  # None also where the config was composed in Python
    if hydra_node:
        hydra_node["mode"] = mode and RunMode[mode]
        job_config = OmegaConf.create({**config, "hydra": hydra_node})
        HydraConfig.instance().cfg = job_config  # type: ignore[assignment]  # of the fields of HydraConf
    if mode:
        configure_log(job_config.hydra.job_logging, job_config.hydra.verbose)
    else:
        log_as_job(Path(config.output_dir))
    if get_rank_info().rank > 0:
        logging.getLogger().setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
