"""The config in a run's directory, which anybody may have written and anything may have damaged."""

import io
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from dlpipe.config.checks.recipe import Core, pydantic_message
from dlpipe.errors import DlpipeError, Problem

LAST = "checkpoints/last.ckpt"
# what is made, and from which a run is made
NODES = ("model", "dataset", "optimizer", "scheduler", "trainer", "callbacks", "logger")


def read(path: Path) -> DictConfig:
    """The config in a file, as data that refers to nothing; all in it that the core reads has the right type.

    Raises:
        DlpipeError: it is no such thing.
    """
    try:
        text = path.read_text(encoding="utf-8")
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # they can stand for any amount
                raise ValueError("it has an alias, *name, which a run does not write")
            if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
                raise ValueError("it has an interpolation, ${name}, which a run does not write")
        config = OmegaConf.load(io.StringIO(text))
    except (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise DlpipeError(f"{path} cannot be read: {' '.join(str(error).split())}. {_advice(path)}") from error
    if not isinstance(config, DictConfig) or "model" not in config:
        raise DlpipeError(f"{path} is not a run's config: it has no model")
    if problems := _problems(config):
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DlpipeError(f"{path} is not a run's config, or damaged:\n{lines}\n{_advice(path)}")
    return config


def _advice(path: Path) -> str:
    return f"Take a good copy; a checkpoint tells what was in it: python -m dlpipe inspect {path.parent / LAST}"


def _problems(config: DictConfig) -> list[Problem]:
    problems = [Problem(str(key), "has no value") for key in sorted(OmegaConf.missing_keys(config))]
    plain: Any = OmegaConf.to_container(config)
    for name in (*NODES, "stage_configs"):
        if not isinstance(plain.get(name, {}), dict):
            problems.append(Problem(f"{name}={plain[name]}", "must be a set of keys"))
    for kind in ("model", "dataset"):
        if isinstance(plain.get(kind), dict) and not isinstance(plain[kind].get("name"), str):
            problems.append(Problem(f"{kind}.name={plain[kind].get('name')}", "must be the name of one"))
    if not isinstance(plain.get("output_dir", ""), str):
        problems.append(Problem(f"output_dir={plain['output_dir']}", "must be a directory"))
    return problems + _typed(plain)


def _typed(plain: dict[str, Any]) -> list[Problem]:
    """What is wrong with the values that the core reads; not that some are missing, as in runs of other versions."""
    try:
        Core.model_validate({name: plain[name] for name in Core.model_fields if name in plain})
    except ValidationError as error:
        details = [detail for detail in error.errors() if detail["type"] != "missing"]
        return [
            Problem(f"{'.'.join(map(str, detail['loc']))}={detail['input']}", pydantic_message(detail))
            for detail in details
        ]
    return []
