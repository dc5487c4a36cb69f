"""What a run prints: one plain line per message, above the progress bar if there is one."""

import contextlib
import logging
import logging.config
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dlpipe.plugins.registry import conf_dir
from dlpipe.training.distributed.rank_info import get_rank_info

if TYPE_CHECKING:
    from dlpipe.config.checks.config_checks import Job

LOG = "dlpipe.log"


def escape_unencodable_output() -> None:
    """Let stdout and stderr print what their encoding lacks as escapes (``\\xe4``), instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):  # a notebook's streams have no encoding of their own
            reconfigure(errors="backslashreplace")


def print_first_line(jobs: "list[Job]", multirun: bool) -> None:
    """Say what starts, before the seconds in which PyTorch is imported and the request is checked with it."""
    config = jobs[0][1]
    what = "sweep" if multirun else f"model={config.model.name} dataset={config.dataset.name}"
    print(f"{what}: importing PyTorch and checking the request", flush=True)


def print_opening(verb: str, subject: object) -> None:
    """Tell a terminal what a verb works on, before the seconds in which PyTorch is imported."""
    if sys.stderr.isatty() and get_rank_info().rank == 0:
        print(f"{verb} {subject}".rstrip() + ": importing PyTorch", file=sys.stderr, flush=True)


class ConsoleHandler(logging.Handler):
    """Print each record with ``print``, so that rich's live display puts it above the progress bar.

    A StreamHandler would keep the stream that it was created with, and write over the bar.
    """

    def __init__(self) -> None:
        super().__init__()
        escape_unencodable_output()  # a rank or a launcher's worker does not start in `main`

    def emit(self, record: logging.LogRecord) -> None:
        """Print the formatted record; if the reader has gone (``| head``), the run continues.

        A traceback is for the log file, unless HYDRA_FULL_ERROR=1.
        """
        if getattr(record, "file_only", False) and os.environ.get("HYDRA_FULL_ERROR") != "1":
            return
        with contextlib.suppress(BrokenPipeError):
            print(self.format(record), flush=True)


def log_as_job(run_dir: Path) -> None:
    """Log to the terminal and to the run's log file, as in a job of Hydra."""
    config = _job_logging()
    config["handlers"]["file"]["filename"] = str(run_dir / LOG)
    logging.config.dictConfig(config)


def _job_logging() -> dict[str, Any]:
    """What Hydra sets up for a job, as ``logging.config`` takes it."""
    config = yaml.safe_load((conf_dir() / "hydra" / "job_logging" / "dlpipe.yaml").read_text(encoding="utf-8"))
    return dict(config)


@contextlib.contextmanager
def log_to_file_and_terminal(run_dir: Path) -> Iterator[None]:
    """Add the handlers of `log_as_job` to the root logger, and remove them afterwards, as a notebook goes on."""
    root, level = logging.getLogger(), logging.getLogger().level
    console = ConsoleHandler()
    file = logging.FileHandler(run_dir / LOG, encoding="utf-8", delay=True, errors="backslashreplace")
    file.setFormatter(logging.Formatter(_job_logging()["formatters"]["dated"]["format"]))
    root.setLevel(logging.INFO)
    root.addHandler(console)
    root.addHandler(file)
    try:
        yield
    finally:
        root.removeHandler(console)
        root.removeHandler(file)
        root.setLevel(level)
        file.close()
