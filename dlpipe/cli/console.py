"""What a run prints: one plain line a message, above a live progress bar where there is one."""

import contextlib
import logging
import logging.config
from pathlib import Path

import yaml

from dlpipe.plugins.registry import conf_dir

LOG = "dlpipe.log"


class ConsoleHandler(logging.Handler):
    """Print each record with ``print``, so that rich's live display puts it above the progress bar.

    A StreamHandler would keep the stream of the moment it was made and write through the bar.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the formatted record; a reader that has gone (``| head``) costs the run nothing."""
        with contextlib.suppress(BrokenPipeError):
            print(self.format(record), flush=True)


def log_as_job(run_dir: Path) -> None:
    """Log to the terminal and to the run's file, as Hydra has a job do."""
    config = yaml.safe_load((conf_dir() / "hydra" / "job_logging" / "dlpipe.yaml").read_text(encoding="utf-8"))
    config["handlers"]["file"]["filename"] = str(run_dir / LOG)
    logging.config.dictConfig(config)
