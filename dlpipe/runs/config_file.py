"""The config in a run's directory: written once, and read as data, since it may be untrusted or damaged."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from dlpipe.atomic import create_exclusive
from dlpipe.errors import DlpipeError, Problem, system_errors_in_one_line
from dlpipe.plain_config import flat
from dlpipe.runs.directory import CONFIG, PROVENANCE, read_provenance
from dlpipe.settings import Core, node_problems, pydantic_message
from dlpipe.yaml_limits import limited_yaml, read_yaml

# version of a run directory's layout; incremented when older versions of dlpipe could not read the new one
FORMAT = 1
LAST = "checkpoints/last.ckpt"


def create_run_directory(directory: Path, config: DictConfig) -> None:
    """Claim a directory for this run by writing its config there.

    Raises:
        DlpipeError: the directory already holds a run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        create_exclusive(directory / CONFIG, config_yaml(config))
    except FileExistsError as error:
        advice = f"choose another directory, or resume it: python -m dlpipe resume {directory}"
        raise DlpipeError(f"{directory} already holds a run; {advice}") from error


def config_yaml(config: DictConfig) -> str:
    """The resolved config as it is stored."""
    return f"format: {FORMAT}\n{OmegaConf.to_yaml(config, resolve=True)}"


def read_config(run_dir: Path) -> DictConfig:
    """The resolved config of a run, with the changes made when it was resumed and its current directory in all paths.

    Raises:
        DlpipeError: the folder is not a run's, or its config is damaged or has the format of another version.
    """
    original = read_original_config(run_dir)
    changes = read_changes(run_dir)
    if not changes:
        return original
    return relocate_config(_parsed(run_dir / PROVENANCE, changes[-1]["config"]), str(run_dir.absolute()))


def read_original_config(run_dir: Path) -> DictConfig:
    """Like `read_config`, without changes: the config that the run was started with."""
    path = run_dir / CONFIG
    if not path.is_file():
        raise DlpipeError(f"{run_dir} is not a run's directory: it has no {CONFIG}")
    return relocate_config(_read(path), str(run_dir.absolute()))


def read_changes(run_dir: Path) -> list[dict[str, Any]]:
    """The changes of a run's config in its provenance: when, by which overrides, what, and the whole config after."""
    changes: Any = read_provenance(run_dir).get("changes", [])
    is_valid = isinstance(changes, list) and all(
        isinstance(change, dict)
        and isinstance(change.get("config"), str)
        and isinstance(change.get("overrides"), list)
        and all(isinstance(text, str) for text in change["overrides"])
        for change in changes
    )
    if not is_valid:
        raise DlpipeError(f"{run_dir / PROVENANCE} is damaged: its changes have no config; take a good copy")
    return list(changes)


def relocate_config(config: DictConfig, directory: str) -> DictConfig:
    """The config with the run's original directory replaced by another in all paths."""
    original = config.get("output_dir")
    if not original or original == directory:
        return config

    def relocated(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: relocated(value) for key, value in node.items()}
        if isinstance(node, list):
            return [relocated(value) for value in node]
        inside = isinstance(node, str) and (node == original or node.startswith(f"{original}/"))
        return directory + node[len(original) :] if inside else node

    result: DictConfig = OmegaConf.create(relocated(OmegaConf.to_container(config)))
    result.output_dir = directory  # also where it is Hydra's, an interpolation
    return result


def config_digest(config: DictConfig) -> str:
    """sha256 of a resolved config, independent of the run directory and of ``resume``."""
    return hashlib.sha256(config_text(relocate_config(config, "RUN_DIRECTORY")).encode()).hexdigest()


def config_text(config: DictConfig) -> str:
    """A resolved config as JSON of dotted keys, without ``resume``: equal for configs of the same run."""
    values = flat(OmegaConf.to_container(config, resolve=True))
    return json.dumps({key: value for key, value in values.items() if key != "resume"}, sort_keys=True)


def _read(path: Path) -> DictConfig:
    """The config in a file, as `_parsed`."""
    try:
        with system_errors_in_one_line():
            text = read_yaml(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> DictConfig:
    """A config without aliases and interpolations, in which all values that the core reads have valid types."""
    try:
        limited_yaml(text.encode())
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # aliases can expand exponentially
                raise ValueError("it has an alias, *name, which a run does not write")
            if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
                raise ValueError("it has an interpolation, ${name}, which a run does not write")
        config = OmegaConf.load(io.StringIO(text))
    except (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:  # OSError: a number
        raise _unreadable(path, error) from error
    if not isinstance(config, DictConfig) or "model" not in config:
        raise DlpipeError(f"{path} is not a run's config: it has no model")
    if (file_format := config.pop("format", None)) != FORMAT:
        reader = "before its first release" if file_format is None else f"that writes format {file_format}"
        raise DlpipeError(
            f"{path} has the format {file_format}, this version reads format {FORMAT}: use a dlpipe {reader}"
        )
    if problems := _problems(config):
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DlpipeError(f"{path} is not a run's config, or damaged:\n{lines}\n{_advice(path)}")
    return config


def _unreadable(path: Path, error: Exception) -> DlpipeError:
    return DlpipeError(f"{path} cannot be read: {' '.join(str(error).split())}. {_advice(path)}")


def _advice(path: Path) -> str:
    return f"Take a good copy; a checkpoint also stores the config: python -m dlpipe inspect {path.parent / LAST}"


def _problems(config: DictConfig) -> list[Problem]:
    problems = [Problem(str(key), "has no value") for key in sorted(OmegaConf.missing_keys(config))]
    problems += node_problems(config)
    plain: Any = OmegaConf.to_container(config)
    for kind in ("model", "dataset"):
        if isinstance(plain.get(kind), dict) and not isinstance(plain[kind].get("name"), str):
            problems.append(Problem(f"{kind}.name={plain[kind].get('name')}", f"must be the name of a {kind}"))
    if not isinstance(plain.get("output_dir", ""), str):
        problems.append(Problem(f"output_dir={plain['output_dir']}", "must be a directory"))
    return problems + _type_problems(plain)


def _type_problems(plain: dict[str, Any]) -> list[Problem]:
    """Problems with the values that the core reads; missing ones are accepted, as in runs of older versions."""
    try:
        Core.model_validate({name: plain[name] for name in Core.model_fields if name in plain})
    except ValidationError as error:
        details = [detail for detail in error.errors() if detail["type"] != "missing"]
        return [
            Problem(f"{'.'.join(map(str, detail['loc']))}={detail['input']}", pydantic_message(detail))
            for detail in details
        ]
    return []
