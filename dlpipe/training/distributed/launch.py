"""Start the ranks of one run from a process that is none of them, and end with them."""

import contextlib
import logging
import os
import pickle
import re
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from dlpipe.errors import DlpipeError
from dlpipe.runs.config_file import config_digest, read_config
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal

log = logging.getLogger(__name__)
# what a rank meets when another is gone, or the launcher ends it
AFTERMATH = re.compile(r"closed by peer|reset by peer|Broken pipe|[Gg]loo|NCCL|KeyboardInterrupt|SystemExit")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)


def launch(run_dir: Path, processes: int, checkpoints: dict[str, Path]) -> None:
    """Train the run whose config lies in ``run_dir`` with this many processes of this machine; wait for them.

    It goes on from the checkpoints of its stages, where there are some.

    Lightning would start this process's own command line again for every rank, a sweep's included. Here
    Hydra's process stays outside: torch's launcher starts `dlpipe.cli.rank`, passes signals on, and ends all
    ranks when one fails.

    Raises:
        DlpipeError: a rank failed; the traceback of the one that failed first has been logged.
        StoppedBySignal: this process or a rank was told to end, and the ranks have.
    """
    with tempfile.TemporaryDirectory(prefix="dlpipe-") as scratch, _own_signals(), _quiet_launcher():
        state = Path(scratch) / "state.pickle"
        given = {
            "sys.path": sys.path,
            "hydra": HydraConfig.instance().cfg,
            "checkpoints": checkpoints,
            "config_digest": config_digest(read_config(run_dir)),
        }
        state.write_bytes(pickle.dumps(given))
        config = LaunchConfig(
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
        try:
            arguments = ("-m", "dlpipe.cli.rank", str(run_dir), str(state), str(os.getpid()))
            elastic_launch(config, sys.executable)(*arguments)
        except ChildFailedError as error:
            codes = {failure.exitcode for failure in error.failures.values()}
            if len(codes) == 1 and (left := codes.pop() - 128) in SIGNALS:
                raise StoppedBySignal(left) from None
            raise DlpipeError(_message(error.failures, processes)) from None
        except SignalException as message:
            raise StoppedBySignal(message.sigval) from None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Put back the handlers that torch's launcher replaces: the next job of a sweep runs in this process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # in a thread nothing was replaced
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _quiet_launcher() -> Iterator[None]:
    """Keep torch's launcher, whose modules log each by itself, from telling in its words what `_told` tells."""
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
    """What ended the job, told of the rank that failed first; the others lost their peer or were ended."""
    rank, failure = min(failures.items(), key=lambda item: _order(item[1]))
    message: Any = failure.message  # typed as a text, which it is where the rank could not write its error
    who = f"rank {rank} of {processes}"
    if failure.exitcode < 0 and not isinstance(message, dict):
        killed = f"{who} (process {failure.pid}) was killed by {signal.Signals(-failure.exitcode).name}"
        return f"{killed}; the others were ended. SIGKILL may mean that the machine ran out of memory"
    if not isinstance(message, dict):
        return f"{who} ended with exit code {failure.exitcode} and no error; the others were ended"
    traceback = message["extraInfo"]["py_callstack"]
    if "Traceback" in traceback:  # none comes with an error of the user's
        log.error("%s", traceback.rstrip())
    return f"{who} failed: {message['message']}"


def _order(failure: ProcessFailure) -> tuple[int, float]:
    """Causes before consequences, then the earlier first.

    An error is a cause unless it is such as a rank meets when another is gone. Without one, the cause is a rank that
    could not write any, unless the launcher itself ended it.
    """
    message: Any = failure.message
    if isinstance(message, dict):
        written = os.stat(failure.error_file).st_mtime_ns  # the launcher's own times are whole seconds
        return (2 if AFTERMATH.search(message["message"]) else 0), written
    return (3 if failure.exitcode == -signal.SIGTERM else 1), 0.0
