"""Which values of a config are paths, and how to make them independent of the working directory."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.operating_system import expand_user

# nodes with paths that a run reads; it writes into its own directory
READERS = ("model", "dataset")
NAMES = ("path", "filename", "file", "root", "dirpath")
ENDINGS = ("dir", "directory", "folder", "_path", "_file")


def is_path(name: str, value: Any) -> bool:
    """Whether the value of an argument is a path, judging by its form or the argument's name."""
    if not isinstance(value, str) or "://" in value:
        return False
    return (
        names_path(name)
        or Path(value).is_absolute()
        or value.startswith(("~", "./", "../"))
        or ".." in Path(value).parts
    )


def names_path(name: str) -> bool:
    """Whether an argument with this name is a path."""
    return name in NAMES or name.endswith(ENDINGS)


def make_absolute(config: DictConfig, working_folder: Path) -> None:
    """Make every path that the run reads absolute, in place: the working directory may change later.

    Args:
        config: the composed config.
        working_folder: the folder in which the command was typed.
    """
    for root in READERS:
        for name, value in config[root].items():
            if not OmegaConf.is_interpolation(config[root], name) and is_path(str(name), value):
                config[root][name] = _absolute(value, working_folder)
    if config.init_from:
        config.init_from = _absolute(config.init_from, working_folder)


def _absolute(path: str, working_folder: Path) -> str:
    return os.path.normpath(working_folder / expand_user(path))
