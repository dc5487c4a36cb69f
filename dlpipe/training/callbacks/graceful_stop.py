"""Stop with a checkpoint on a signal, at a step from which the run can be resumed."""

import contextlib
import logging
import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch

from dlpipe.operating_system import existing_signals, start_alarm, stop_alarm
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.distributed.rank_info import get_rank_info

log = logging.getLogger(__name__)
# Ctrl-C, what ends a batch job, and what announces that end
SIGNALS = existing_signals("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
# for all ranks to reach a safe point; after 30 their launcher kills them, and no summary would be written
GRACE_SECONDS = 15


class StoppedBySignal(SystemExit):
    """A signal stopped the run; the exit code is the shell's for that signal.

    Args:
        number: the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)  # `args`, from which it is unpickled in the process that waits for a job
        self.code = 128 + number


class GracefulStop(pl.Callback):
    """While training, let SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 stop the run after the current step, with a checkpoint.

    A second Ctrl-C stops it at once. In a distributed run all ranks stop together, whichever one received the signal.
    """

    def __init__(self) -> None:
        # only the handler writes the first and only `_agree` the second: a signal may arrive at any time
        self._received_here: int | None = None
        self._agreed: int | None = None
        self._was_interrupted = False
        self._is_single_process = True
        self._handlers_before: dict[int, Any] = {}
        self._alarm_handler_before: Any = None

    @property
    def received(self) -> int | None:
        """The number of the signal that this rank received or that the ranks agreed on; None without one."""
        return self._received_here if self._agreed is None else self._agreed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace Lightning's handlers, which save at once, in mid-step, and wait for ranks that may be gone."""
        self._is_single_process = trainer.world_size == 1
        with contextlib.suppress(ValueError):  # not in the main thread, where signals are not received either
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # as in a job that its shell put in the background
                    self._handlers_before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._was_interrupted and self._is_single_process:
            raise KeyboardInterrupt
        self._was_interrupted = self._was_interrupted or number == signal.SIGINT
        if self._received_here is not None:
            return
        self._received_here = number
        if get_rank_info().launcher == "torchrun":
            # this rank may wait for one that never reaches a safe point
            self._alarm_handler_before = start_alarm(GRACE_SECONDS)
        again = "; Ctrl-C again ends now" if number == signal.SIGINT and self._is_single_process else ""
        log.info("%s: saving a checkpoint after this step, then ending%s", signal.Signals(number).name, again)

    def on_safe_point(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save a checkpoint and stop, if any rank received a signal.

        Raises:
            StoppedBySignal: on every rank, with the same signal.
        """
        self._agree(trainer)
        if self._agreed is None:
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, BestAndLast):
                callback.save_last(trainer)
        raise StoppedBySignal(self._agreed)

    def _agree(self, trainer: pl.Trainer) -> None:
        """Take the signal that any rank had received before; one that arrives meanwhile is for the next safe point."""
        number = self._received_here
        if not self._is_single_process:
            highest = torch.tensor(number or 0, device=trainer.strategy.root_device)
            torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
            number = int(highest) or None
        self._agreed = number

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the handlers."""
        self._restore_handlers()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Restore the handlers."""
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self._handlers_before = {}
        stop_alarm(self._alarm_handler_before)  # not before: until here a signal may start it
        self._alarm_handler_before = None
