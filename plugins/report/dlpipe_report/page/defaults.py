"""What a run's config changes from the defaults of its model and dataset."""

import functools
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

import dlpipe
from dlpipe_report.config_differences import differences, flat

NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")  # of a model or dataset as it is typed, perhaps with its distribution's
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
IGNORED = ("output_dir", "stage_configs", "resume")  # where it is, and what follows from other keys
OWN = "${output_dir}"  # stands for the run's directory in paths


def changed_from_defaults(config: DictConfig) -> dict[str, list[Any]] | str:
    """Key to its value in the run and its default, of those that differ; or why the defaults are not known.

    Keys that only follow another one are left out, as ``trainer.max_epochs`` is after ``recipe.max_epochs``.
    """
    model, dataset = str(config.model.name), str(config.dataset.name)
    try:
        defaults = _defaults(model, dataset)
    except dlpipe.DlpipeError as error:
        return " ".join(str(error).split())
    changes = differences(
        [comparable(config), comparable(OmegaConf.merge({"output_dir": config.output_dir}, defaults))]
    )
    followed = _followed(defaults)
    return {key: both for key, both in changes.items() if changes.get(followed.get(key, "")) != both}


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


@functools.lru_cache(maxsize=64)
def _defaults(model: str, dataset: str) -> DictConfig:
    for name in (model, dataset):
        if not NAME.fullmatch(name):  # it comes from a file, and overrides have a grammar
            raise dlpipe.DlpipeError(f"{name!r} is not a name that can be composed")
    return dlpipe.compose(f"model={model}", f"dataset={dataset}")
