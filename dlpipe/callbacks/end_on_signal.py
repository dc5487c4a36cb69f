"""SIGTERM ends a rank as Ctrl-C does."""

import signal

import pytorch_lightning as pl


class EndOnSignal(pl.Callback):
    """Raise KeyboardInterrupt on SIGTERM; Lightning's own handler talks to ranks that may be gone by then."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace the handler that Lightning has just set; at the end it puts back the one before its own."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
