"""The composed config as a whole: missing values, dead interpolations, files of one name, the directory."""

import os
import re
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.errors import DlpipeError, Problem, format_list
from dlpipe.plugins import registry
from dlpipe.runs.directory import check_links

OF_DATASET = re.compile(r"\$\{dataset\.(\w+)\}")


def first_lines(error: Exception) -> str:
    """What Hydra or OmegaConf said, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3])


def leaf_problems(node: DictConfig, prefix: str = "") -> list[Problem]:
    """Values that are still missing, and interpolations that lead nowhere.

    Such as a model's wish for a key that its dataset lacks.
    """
    problems = []
    for name in map(str, node):
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


def _interpolation_problems(node: DictConfig, name: str, key: str) -> list[Problem]:
    try:
        node[name]
    except OmegaConfBaseException as error:
        raw = OmegaConf.to_container(node, resolve=False)[name]  # type: ignore[call-overload,index]  # it is a dict
        root, lacking = node._get_root(), OF_DATASET.fullmatch(str(raw))
        dataset = root.get("dataset") if isinstance(root, DictConfig) else None
        if dataset and lacking and lacking[1] not in dataset:
            message = f"dataset {dataset.name!r} has no {lacking[1]}; choose another dataset, or set {key}"
            return [Problem(key, message)]
        return [Problem(f"{key}={raw}", first_lines(error))]
    return []


def collisions(cfg: DictConfig) -> list[Problem]:
    """Config files of one name in two places: Hydra would take the first without a word."""
    places = {registry.CORE: registry.conf_dir(), **registry.added_conf_dirs()}
    problems = []
    for group, choice in cfg.hydra.runtime.choices.items():
        relative = f"{str(group).partition('@')[0]}/{choice}.yaml"
        owners = [name for name, folder in places.items() if (folder / relative).is_file()]
        if len(owners) > 1:
            problems.append(
                Problem(relative, f"shipped by {format_list(sorted(owners))}; only one of them can have it")
            )
    return problems


def name_problems(cfg: DictConfig) -> list[Problem]:
    """A plugin's YAML that says another name than its own, which would load another class, or none."""
    problems = []
    for kind in registry.KINDS:
        choice = cfg.hydra.runtime.choices[kind]
        said = OmegaConf.select(cfg, f"{kind}.name")
        if said != choice:
            where = str(registry.yaml_of(registry.find(kind, choice)))
            problems.append(Problem(where, f"must say name: {choice}, as its entry point; it says {said}"))
    return problems


def directory_problems(cfg: DictConfig, output_key: str) -> list[Problem]:
    """Whether the directory of the run or the sweep can be made, and holds neither yet unless that goes on."""
    try:
        folder = Path(str(cfg.hydra[output_key].dir)).absolute()
    except OmegaConfBaseException as error:
        return [Problem(f"hydra.{output_key}.dir", first_lines(error))]
    where = f"hydra.{output_key}.dir={folder}"
    try:
        os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # a name that is too long, or of characters that no name has
        return [Problem(where, f"cannot be made: {error}; choose another")]
    goes_on = cfg.resume == "auto"
    try:
        check_links(folder)
    except DlpipeError as error:
        return [Problem(where, str(error))]
    if goes_on and not any(text.startswith(f"hydra.{output_key}.dir=") for text in cfg.hydra.overrides.hydra):
        message = f"needs hydra.{output_key}.dir=DIRECTORY, the same each time: there it looks for what to go on with"
        return [Problem("resume=auto", message)]
    for file, what in (("config.yaml", "run"), ("multirun.yaml", "sweep")):
        if (folder / file).exists() and not goes_on:
            again = "resume=auto" if what == "sweep" else f"python -m dlpipe resume {folder}"
            return [Problem(where, f"holds a {what} already; choose another directory, or go on with it: {again}")]
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return [Problem(where, f"cannot be made: {place} is not a directory; choose another")]
    if not os.access(place, os.W_OK | os.X_OK):
        return [Problem(where, f"cannot be made: {place} cannot be written to; choose another")]
    return []
