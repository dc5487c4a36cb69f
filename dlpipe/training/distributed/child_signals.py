"""Block SIGINT in child processes until they can handle it: Python shows a traceback if it arrives at their start."""

import contextlib
import signal
import threading
from collections.abc import Iterator

CAN_BLOCK = hasattr(signal, "pthread_sigmask")  # not on Windows


@contextlib.contextmanager
def interrupts_blocked_in_children() -> Iterator[None]:
    """Block SIGINT in the processes that this thread starts meanwhile; they call `unblock_interrupts`.

    This process still receives it: a thread that does not block it waits for it, and Python calls the handler in the
    main thread as always.
    """
    if not CAN_BLOCK:
        yield
        return
    done = threading.Event()
    receiver = threading.Thread(target=done.wait, daemon=True)
    receiver.start()  # it inherits the mask of now
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        done.set()
        receiver.join()


def unblock_interrupts() -> None:
    """Receive SIGINT from now on, also one that has arrived since this process was started."""
    if CAN_BLOCK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
