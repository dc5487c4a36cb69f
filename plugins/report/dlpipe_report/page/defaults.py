"""What a run's config changes from the defaults of its model and dataset."""

import functools
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

import dlpipe
from dlpipe.plain_config import flat
from dlpipe_report.config_differences import ABSENT, as_text, differences

NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")  # of a model or dataset as it is typed, perhaps with its distribution's
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
IGNORED = ("output_dir", "stage_configs", "resume")  # where it is, and what follows from other keys
OWN = "${output_dir}"  # stands for the run's directory in paths


def changed_from_defaults(config: DictConfig) -> dict[str, list[Any]] | str:
    """Key to its value in the run and its default, of those that differ; or why the defaults are not known.

    Keys that only follow another one are left out, as ``trainer.max_epochs`` is after ``recipe.max_epochs``.
    """
    try:
        defaults, required = _defaults_of(config)
    except dlpipe.DlpipeError as error:
        return " ".join(str(error).split())
    changes = differences(
        [comparable(config), comparable(OmegaConf.merge({"output_dir": config.output_dir}, defaults))]
    )
    changes |= {key: [value, ABSENT] for key, value in required.items()}
    followed = _followed(defaults)
    return {key: both for key, both in changes.items() if changes.get(followed.get(key, "")) != both}


def _defaults_of(config: DictConfig) -> tuple[DictConfig, dict[str, Any]]:
    """The defaults, and the run's values of the options that have none, with which the defaults are composed."""
    names = str(config.model.name), str(config.dataset.name)
    try:
        return _compose(*names), {}
    except dlpipe.RequestError as error:
        values = flat(comparable(config))
        required = {problem.where: values[problem.where] for problem in error.problems if problem.where in values}
        return _compose(*names, *(_override(key, value) for key, value in required.items())), required


def _followed(config: DictConfig) -> dict[str, str]:
    """Key to the key whose value it has by an interpolation."""
    unresolved: Any = OmegaConf.to_container(config, resolve=False)
    found = {key: REFERENCE.fullmatch(str(value)) for key, value in flat(unresolved).items()}
    return {key: match[1] for key, match in found.items() if match}


def comparable(config: Any) -> dict[str, Any]:
    """A config's resolved values that say what a run computes, without the published numbers."""
    content: Any = OmegaConf.to_container(config, resolve=True)
    content.get("recipe", {}).pop("targets", None)
    own = {str(key): value for key, value in content.items() if key not in IGNORED}
    return _relocated(own, str(content.get("output_dir", ""))) if content.get("output_dir") else own


def _relocated(node: Any, directory: str) -> Any:
    """The same containers with `OWN` in place of the run's directory."""
    if isinstance(node, dict):
        return {key: _relocated(value, directory) for key, value in node.items()}
    if isinstance(node, list):
        return [_relocated(value, directory) for value in node]
    return node.replace(directory, OWN) if isinstance(node, str) else node


def _override(key: str, value: Any) -> str:
    """A value as an override; a stored config has no interpolations, and quotes keep the rest of a text as it is."""
    if not isinstance(value, str):
        return f"{key}={as_text(value)}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


@functools.lru_cache(maxsize=64)
def _compose(model: str, dataset: str, *overrides: str) -> DictConfig:
    for name in (model, dataset):
        if not NAME.fullmatch(name):  # it comes from a file, and overrides have a grammar
            raise dlpipe.DlpipeError(f"{name!r} is not a name that can be composed")
    return dlpipe.compose(f"model={model}", f"dataset={dataset}", *overrides)
