"""End where the run can be taken up again, with a checkpoint, when told to."""

import contextlib
import logging
import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch

from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.distributed.rank_info import get_rank_info

log = logging.getLogger(__name__)
# Ctrl-C, what ends a batch job, and what announces that end
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# for several ranks to come to a rest; after 30 their launcher kills them, and nothing would be written of how it ended
GRACE_SECONDS = 15


class StoppedBySignal(SystemExit):
    """The run was left as a signal asked; its exit code is the shell's for that signal.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class GracefulStop(pl.Callback):
    """While training, let SIGINT, SIGTERM and SIGUSR1 end the run after the present step.

    A second Ctrl-C ends it at once. Of several ranks all leave together, whichever was told.
    """

    def __init__(self) -> None:
        self.received: int | None = None  # the first signal
        self._pressed = False  # Ctrl-C
        self._alone = True
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over from Lightning, whose handlers save at once, in mid-step, and talk to ranks that may be gone."""
        self._alone = trainer.world_size == 1
        with contextlib.suppress(ValueError):  # not in the main thread, where signals are not received either
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:  # as of a job that its shell put in the background
                    self._before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._pressed and self._alone:
            raise KeyboardInterrupt
        self._pressed = self._pressed or number == signal.SIGINT
        if self.received is None:
            self.received = number
            again = "; Ctrl-C again ends now" if number == signal.SIGINT and self._alone else ""
            if get_rank_info().launcher == "torchrun":  # one may wait for another that comes to none
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, signal.default_int_handler)
                signal.alarm(GRACE_SECONDS)
            log.info("%s: saving a checkpoint after this step, then ending%s", signal.Signals(number).name, again)

    def on_safe_point(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save and leave, if any rank was told to."""
        self._agree(trainer)
        if self.received is None:
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, BestAndLast):
                callback.save_last(trainer)
        raise StoppedBySignal(self.received)

    def _agree(self, trainer: pl.Trainer) -> None:
        """Have what any rank received."""
        if not self._alone:
            most = torch.tensor(self.received or 0, device=trainer.strategy.root_device)
            torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
            self.received = int(most) or None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the signals back; what came too late for a rest ends the run when training is saved as done."""
        self._agree(trainer)
        self._give_back()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._give_back()

    def _give_back(self) -> None:
        signal.alarm(0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
