"""The command line: flags, verbs, and the task that Hydra calls."""

from dlpipe.cli.main import main

__all__ = ["main"]
