"""SIGTERM while several ranks test."""

import signal

import pytorch_lightning as pl


class StopTestOnSigterm(pl.Callback):
    """Let SIGTERM raise KeyboardInterrupt in the test: Lightning's handler would wait for ranks that may be gone."""

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace the handler that Lightning has just set."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
