"""What a run prints: one plain line a message, above a live progress bar where there is one."""

import contextlib
import logging


class ConsoleHandler(logging.Handler):
    """Print each record with ``print``, so that rich's live display puts it above the progress bar.

    A StreamHandler would keep the stream of the moment it was made and write through the bar.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the formatted record; a reader that has gone (``| head``) costs the run nothing."""
        with contextlib.suppress(BrokenPipeError):
            print(self.format(record), flush=True)
