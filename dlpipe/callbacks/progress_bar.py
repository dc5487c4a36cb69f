"""A rich progress bar on a terminal, nothing where the output is a file."""

import sys

from pytorch_lightning.callbacks import RichProgressBar


class ProgressBar(RichProgressBar):
    """Lightning's rich bar, drawn on terminals only and seldom enough to cost nothing.

    Args:
        refresh_rate: minibatches between two drawings.
    """

    def __init__(self, refresh_rate: int = 100) -> None:
        super().__init__(refresh_rate=refresh_rate if sys.stdout.isatty() else 0, leave=False)
