"""Options of a dataset that only its files tell, such as the number of classes, in place of null in its config."""

import copy
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from dlpipe.config.checks.constructor import constructor_problems
from dlpipe.config.paths import make_absolute
from dlpipe.contract import defines
from dlpipe.errors import DlpipeError, Problem, RequestError, refuse
from dlpipe.plugins.load_class import load_class
from dlpipe.training.build import build_dataset, options_of


def with_data_options(config: DictConfig) -> DictConfig:
    """A composed config in which the dataset's `options_from_files` replace null; the model's interpolations follow.

    The config itself, if the dataset has no such method or cannot be imported, which the checks report.

    Raises:
        RequestError: the dataset does not take its options, or its files cannot be read.
    """
    where = f"dataset={config.dataset.name}"
    try:
        cls = load_class("dataset", config.dataset.name)
    except DlpipeError:
        return config
    if not defines(cls, "options_from_files"):
        return config
    refuse(constructor_problems(cls, options_of(config.dataset), "dataset"))
    completed = copy.deepcopy(config)
    make_absolute(completed, working_folder())
    try:
        found = build_dataset(completed.dataset).options_from_files()  # type: ignore[attr-defined]  # an optional method
    except DlpipeError as error:
        raise RequestError([Problem(where, str(error))]) from error
    except (Exception, SystemExit) as error:  # the dataset's code may raise anything
        raise RequestError([Problem(where, f"{type(error).__name__}: {error}")]) from error
    with open_dict(completed):
        completed.dataset.update({k: v for k, v in found.items() if completed.dataset.get(k) is None})
    return completed


def working_folder() -> Path:
    """Where the command was typed, even if Hydra has changed the working directory since."""
    return Path(HydraConfig.get().runtime.cwd) if HydraConfig.initialized() else Path.cwd()
