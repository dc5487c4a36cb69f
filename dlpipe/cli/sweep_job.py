"""One job of a sweep: run or resumed in its own directory, and its end recorded."""

import logging
import os
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, Node, open_dict, read_write

from dlpipe.cli.hydra_task import train
from dlpipe.config.job_resources import pin_joblib_worker
from dlpipe.errors import DlpipeError
from dlpipe.runs.directory import has_diverged, read_summary
from dlpipe.settings import read_settings
from dlpipe.sweeps.launcher import PRESET
from dlpipe.sweeps.record import (
    DIVERGED,
    FAILED,
    FINISHED,
    INTERRUPTED,
    PRUNED,
    append,
    append_started,
    reason_not_to_start,
)
from dlpipe.sweeps.requeue import requeued_on_announcement
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.callbacks.monitor import worst
from dlpipe.training.error_report import log_error, one_line

log = logging.getLogger(__name__)


class JobError(DlpipeError, CompactHydraException):
    """A job of a sweep has failed and has logged its error; Hydra prints this kind without its traceback."""


def run_job(cfg: DictConfig) -> float | None:
    """Run or resume the job; the value is infinite where it diverged, since NaN would end the study of a sweeper.

    Raises:
        JobError: it failed. Not the exception itself: a launcher pickles it, and not every class can be unpickled.
    """
    hydra = HydraConfig.get()
    # the launcher is no part of the job: neither of its provenance nor of the sweep's table
    with read_write(cast(Node, hydra.overrides)):
        hydra.overrides.task = [text for text in hydra.overrides.task if not text.startswith(PRESET)]
    sweep_dir = Path(hydra.runtime.cwd, str(hydra.sweep.dir))
    name = os.path.relpath(cfg.output_dir, sweep_dir)
    if reason := reason_not_to_start(sweep_dir, name, read_settings(cfg).sweep.most_failures):
        log.info("%s is not started: %s", name, reason)
        return worst(cfg.recipe.monitor_mode)
    append_started(sweep_dir, name)
    pin_joblib_worker(cfg.trainer.accelerator, cfg.trainer.devices)
    with open_dict(cfg):
        cfg.resume = "auto"  # the directory is this job's alone, and it may have been interrupted before
    with requeued_on_announcement():
        return _train(cfg, sweep_dir, name)


def _train(cfg: DictConfig, sweep_dir: Path, name: str) -> float | None:
    """Train the job, and record how it ended."""
    try:
        value = train(cfg)
    except DlpipeError as error:
        log.error("%s", error)
        diverged = has_diverged(Path(cfg.output_dir))
        append(sweep_dir, DIVERGED if diverged else FAILED, name, error=str(error))
        if diverged:
            return worst(cfg.recipe.monitor_mode)
        raise JobError(str(error)) from None
    except (KeyboardInterrupt, StoppedBySignal):
        append(sweep_dir, INTERRUPTED, name)
        raise
    except (Exception, SystemExit) as error:  # the code of a model may raise anything
        log_error(error, cfg)
        message = one_line(error, cfg)
        append(sweep_dir, FAILED, name, error=message)
        raise JobError(message) from None
    pruned = read_summary(Path(cfg.output_dir)).get("status") == PRUNED
    append(sweep_dir, PRUNED if pruned else FINISHED, name)
    return value
