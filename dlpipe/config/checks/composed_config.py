"""Checks of the composed config: missing values, broken interpolations, duplicate files, the output directory."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.atomic import check_space
from dlpipe.errors import DlpipeError, Problem, format_list
from dlpipe.plugins import registry
from dlpipe.runs.directory import FIRST_BYTES, FIRST_FILES, check_links

DATASET_KEY = re.compile(r"\$\{dataset\.(\w+)\}")


def first_lines(error: Exception) -> str:
    """The message of Hydra or OmegaConf on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3])


def leaf_problems(node: DictConfig, prefix: str = "") -> list[Problem]:
    """Missing values and broken interpolations, such as a model's reference to a key that its dataset lacks."""
    problems = []
    name: Any  # a key may be a number
    for name in node:
        key = f"{prefix}{name}"
        if key == "hydra":
            continue
        if OmegaConf.is_missing(node, name):
            problems.append(Problem(key, f"has no default; set {key}=..."))
        elif OmegaConf.is_interpolation(node, name):
            problems += _interpolation_problems(node, name, key)
        elif OmegaConf.is_dict(node[name]):
            problems += leaf_problems(node[name], f"{key}.")
    return problems


def _interpolation_problems(node: DictConfig, name: Any, key: str) -> list[Problem]:
    try:
        node[name]
    except OmegaConfBaseException as error:
        raw = OmegaConf.to_container(node, resolve=False)[name]  # type: ignore[index]  # it is a dict
        root, reference = node._get_root(), DATASET_KEY.fullmatch(str(raw))
        dataset = root.get("dataset") if isinstance(root, DictConfig) else None
        if dataset and reference and reference[1] not in dataset:
            message = f"dataset {dataset.name!r} has no {reference[1]}; choose another dataset, or set {key}"
            return [Problem(key, message)]
        return [Problem(f"{key}={raw}", first_lines(error))]
    return []


def collisions(cfg: DictConfig, listed: Iterable[tuple[str, str]]) -> list[Problem]:
    """Config files of the same name from two packages: Hydra would silently take the first.

    ``listed`` are the groups and options of overrides such as ``logger=[csv,wandb]``, which Hydra does not record.
    """
    folders = {registry.CORE: registry.conf_dir(), **registry.added_conf_dirs()}
    problems = []
    for group, choice in [*cfg.hydra.runtime.choices.items(), *listed]:
        relative = f"{str(group).partition('@')[0]}/{choice}.yaml"
        owners = [name for name, folder in folders.items() if (folder / relative).is_file()]
        if len(owners) > 1:
            problems.append(
                Problem(relative, f"shipped by {format_list(sorted(owners))}; only one of them may ship it")
            )
    return problems


def name_problems(cfg: DictConfig) -> list[Problem]:
    """A plugin's YAML whose ``name`` is not its entry point's, which would load another class, or none."""
    problems = []
    for kind in registry.KINDS:
        choice = cfg.hydra.runtime.choices[kind]
        name = OmegaConf.select(cfg, f"{kind}.name")
        if name != choice:
            where = str(registry.yaml_of(registry.find(kind, choice)))
            problems.append(Problem(where, f"must say name: {choice}, as its entry point; it says {name}"))
    return problems


def directory_problems(cfg: DictConfig, output_key: str) -> list[Problem]:
    """Whether the directory of a run or sweep can be created, and holds no other one unless that is resumed."""
    try:
        folder = Path(str(cfg.hydra[output_key].dir)).absolute()
    except OmegaConfBaseException as error:
        return [Problem(f"hydra.{output_key}.dir", first_lines(error))]
    where = f"hydra.{output_key}.dir={folder}"
    try:
        os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # the name is too long, or has characters that are not allowed
        return [Problem(where, f"cannot be created: {error}; choose another")]
    resumes = cfg.resume == "auto"
    try:
        check_links(folder)
    except DlpipeError as error:
        return [Problem(where, str(error))]
    if resumes and not any(text.startswith(f"hydra.{output_key}.dir=") for text in cfg.hydra.overrides.hydra):
        message = f"needs hydra.{output_key}.dir=DIRECTORY, the same each time: the directory of the run to resume"
        return [Problem("resume=auto", message)]
    for file, what in (("config.yaml", "run"), ("multirun.yaml", "sweep")):
        if (folder / file).exists() and not resumes:
            command = "resume=auto" if what == "sweep" else f"python -m dlpipe resume {folder}"
            return [Problem(where, f"already holds a {what}; choose another directory, or resume it: {command}")]
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        return [Problem(where, f"cannot be created: {parent} is not a directory; choose another")]
    try:
        check_space(parent, FIRST_BYTES, FIRST_FILES)
    except OSError as error:
        return [Problem(where, f"cannot be created: {parent} cannot be written to: {error.strerror}; choose another")]
    return []
