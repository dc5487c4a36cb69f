"""Put a job of submitit back into the queue when its time ends, after it has saved a checkpoint."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from dlpipe.operating_system import existing_signals
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal

# by which submitit, and SLURM where submitit asks for it, announce the end of a job's time
ANNOUNCED_BY = existing_signals("SIGUSR2")


@contextlib.contextmanager
def requeued_on_announcement() -> Iterator[None]:
    """Call submitit's handler of SIGUSR2, which requeues the job and exits, only after the job has stopped.

    By itself the handler would raise SystemExit in the middle of an update. Where there is none, nothing is changed.
    """
    handlers = [(number, signal.getsignal(number)) for number in ANNOUNCED_BY]
    requeue = {number: handler for number, handler in handlers if callable(handler)}
    try:
        for number in requeue:
            signal.signal(number, _stop)
        yield
    except StoppedBySignal as stopped:
        (number,) = stopped.args
        if handler := requeue.get(number):
            handler(number, None)
        raise
    finally:
        for number, handler in requeue.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    """Outside of training, during which `GracefulStop` has its own handler."""
    raise StoppedBySignal(number)
