"""Launch the ranks of a run from a parent process that does not train."""

import contextlib
import json
import logging
import os
import re
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from dlpipe.errors import DlpipeError
from dlpipe.operating_system import existing_signals, interrupts_blocked_in_children
from dlpipe.runs.config_file import config_digest, read_config
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.error_report import FILE_ONLY, PEER_GONE, RankError

log = logging.getLogger(__name__)
RANK_SCRIPT = Path(__file__).parents[2] / "cli" / "rank.py"
# errors of a rank whose peer is gone, or that the launcher ends
CONSEQUENCES = re.compile(rf"{PEER_GONE}|KeyboardInterrupt|SystemExit")
SIGNALS = existing_signals("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def launch(run_dir: Path, processes: int, checkpoints: dict[str, Path]) -> None:
    """Train the run in ``run_dir`` with this many processes on this machine, and wait for them.

    Lightning would start this process's own command line again for every rank, a sweep's included. Here Hydra's process
    does not train: torch's launcher starts `dlpipe.cli.rank`, forwards signals, and ends all ranks when one fails.

    Args:
        run_dir: has the run's config.
        processes: number of ranks.
        checkpoints: by stage, to resume from.

    Raises:
        DlpipeError: a rank failed; the traceback of the one that failed first has been logged.
        StoppedBySignal: a signal stopped this process or a rank, and the ranks have ended.
    """
    with tempfile.TemporaryDirectory(prefix="dlpipe-") as scratch, _handlers_restored(), _quiet_launcher():
        state = Path(scratch) / "state.json"
        state.write_text(json.dumps(_rank_state(run_dir, checkpoints), default=str), encoding="utf-8")
        # by its path: python -m would import what the working folder has
        arguments = (str(RANK_SCRIPT), str(run_dir), str(state), str(os.getpid()))
        try:
            with interrupts_blocked_in_children():
                elastic_launch(_launch_config(processes, scratch), sys.executable)(*arguments)
        except ChildFailedError as error:
            raise _as_stopped(error.failures) or DlpipeError(_message(error.failures, processes)) from None
        except SignalException as error:
            raise StoppedBySignal(error.sigval) from None


def _rank_state(run_dir: Path, checkpoints: dict[str, Path]) -> dict[str, Any]:
    """What a rank needs of this process besides the run's config, in plain containers.

    Pickled objects would name classes that a rank may not import, such as the config class of a Hydra launcher.
    """
    hydra = OmegaConf.to_container(HydraConfig.get(), enum_to_str=True) if HydraConfig.initialized() else None
    return {
        "sys.path": sys.path,
        "hydra": hydra,
        "checkpoints": checkpoints,
        "config_digest": config_digest(read_config(run_dir)),
    }


def _launch_config(processes: int, scratch: str) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        signals_to_handle=",".join(number.name for number in SIGNALS),
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=scratch),
    )


def _as_stopped(failures: dict[int, ProcessFailure]) -> StoppedBySignal | None:
    """The signal by which all failed ranks stopped, if they did."""
    codes = {failure.exitcode for failure in failures.values()}
    number = codes.pop() - 128
    return StoppedBySignal(number) if not codes and number in SIGNALS else None


@contextlib.contextmanager
def _handlers_restored() -> Iterator[None]:
    """Restore the handlers that torch's launcher replaces: the next job of a sweep runs in this process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # in a thread nothing was replaced
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _quiet_launcher() -> Iterator[None]:
    """Silence torch's launcher, each of whose modules has a logger: `_message` reports the failure."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed.elastic")]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _message(failures: dict[int, ProcessFailure], processes: int) -> str:
    """Why the job failed, from the rank that failed first: the others lost their peer or were ended."""
    rank, failure = min(failures.items(), key=lambda item: _order(item[1]))
    message: Any = failure.message  # typed as a text, which it is where the rank could not write its error
    who = f"rank {rank} of {processes}"
    if isinstance(message, dict):
        traceback = message["extraInfo"]["py_callstack"]
        if "Traceback" in traceback:  # a DlpipeError has none
            log.error("%s", traceback.rstrip(), extra=FILE_ONLY)
        return f"{who} failed: {message['message'].removeprefix(f'{RankError.__name__}: ')}"
    if failure.exitcode < 0:
        killed = f"{who} (process {failure.pid}) was killed by {signal.Signals(-failure.exitcode).name}"
        return f"{killed}; the others were ended. SIGKILL may mean that the machine ran out of memory"
    return f"{who} ended with exit code {failure.exitcode} and no error; the others were ended"


def _order(failure: ProcessFailure) -> tuple[int, float]:
    """Sorts causes before consequences, then by time.

    An error is a cause unless it matches CONSEQUENCES. Without one, the cause is a rank that could not write its error,
    unless the launcher itself ended it.
    """
    message: Any = failure.message
    if isinstance(message, dict):
        written = os.stat(failure.error_file).st_mtime_ns  # the launcher's own times are whole seconds
        return (2 if CONSEQUENCES.search(message["message"]) else 0), written
    return (3 if failure.exitcode == -signal.SIGTERM else 1), 0.0
