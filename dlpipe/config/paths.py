"""Which values of a config are paths, and how to make them independent of the working directory."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.operating_system import expand_user
from dlpipe.plugins.registry import KINDS

NAMES = ("path", "filename", "file", "root", "dirpath")
ENDINGS = ("dir", "directory", "folder", "_path", "_file")


def names_path(name: str) -> bool:
    """Whether an argument with this name is a path; one such as ``on_bad_file`` says what to do with files."""
    return name in NAMES or (name.endswith(ENDINGS) and not name.startswith("on_"))


def make_absolute(config: DictConfig, working_folder: Path) -> None:
    """Make the paths that the run reads absolute, in place: the working directory may change later."""
    for kind in KINDS:
        for name, value in config[kind].items():
            if not OmegaConf.is_interpolation(config[kind], name) and is_path(str(name), value):
                config[kind][name] = _absolute(value, working_folder)
    if config.init_from:
        config.init_from = _absolute(config.init_from, working_folder)


def is_path(name: str, value: Any) -> bool:
    """Whether the value of an argument with this name is a path."""
    if not isinstance(value, str) or "://" in value:
        return False
    path = Path(value)
    return names_path(name) or path.is_absolute() or value.startswith(("~", "./", "../")) or ".." in path.parts


def _absolute(path: str, working_folder: Path) -> str:
    return os.path.normpath(working_folder / expand_user(path))
