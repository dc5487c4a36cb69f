"""What surrounds a run that is trained from Python: config folders, the log, and torch's settings afterwards."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dlpipe.cli.console import log_to_file_and_terminal
from dlpipe.cli.flags import use_config_dirs
from dlpipe.plugins import registry


@contextlib.contextmanager
def config_dir_added(folder: str | Path | None) -> Iterator[None]:
    """Add the user's folder to the config tree."""
    before = registry.user_conf_dirs[:]
    use_config_dirs([] if folder is None else [str(folder)])
    try:
        yield
    finally:
        registry.user_conf_dirs[:] = before


@contextlib.contextmanager
def training_logged(directory: Path) -> Iterator[None]:
    """Log a run to its file and the screen."""
    from dlpipe.training.callbacks.graceful_stop import StoppedBySignal

    try:
        with log_to_file_and_terminal(directory):
            yield
    except StoppedBySignal as stopped:  # a SystemExit, which would end a notebook's cell without a word
        raise KeyboardInterrupt(f"saved a checkpoint; dlpipe.Run({str(directory)!r}).resume() trains on") from stopped


@contextlib.contextmanager
def own_settings_of_torch() -> Iterator[None]:
    """Give the process back its number of threads and its choice of deterministic algorithms."""
    import torch

    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
