"""Which values of a config are paths, and paths that mean the same from every working folder."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

# nodes whose paths are read; what a run writes lies in its own directory
READERS = ("model", "dataset")
NAMES = ("path", "filename", "file", "root", "dirpath")
ENDINGS = ("dir", "directory", "folder", "_path", "_file")


def is_path(name: str, value: Any) -> bool:
    """Whether the value of an argument is a file or a folder, by its form or the argument's name."""
    if not isinstance(value, str) or "://" in value:
        return False
    return (
        names_path(name)
        or Path(value).is_absolute()
        or value.startswith(("~", "./", "../"))
        or ".." in Path(value).parts
    )


def names_path(name: str) -> bool:
    """Whether an argument of this name is a file or a folder."""
    return name in NAMES or name.endswith(ENDINGS)


def make_absolute(config: DictConfig, working_folder: Path) -> None:
    """Make every path that the run reads absolute, in place: a run may change its folder, and be used from another.

    Args:
        config: composed.
        working_folder: the one that the request was typed in.
    """
    for root in READERS:
        for name, value in config[root].items():
            if not OmegaConf.is_interpolation(config[root], name) and is_path(str(name), value):
                config[root][name] = _absolute(value, working_folder)
    if config.init_from:
        config.init_from = _absolute(config.init_from, working_folder)


def _absolute(path: str, working_folder: Path) -> str:
    return os.path.normpath(working_folder / Path(path).expanduser())
