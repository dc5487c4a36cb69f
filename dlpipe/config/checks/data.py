"""Prepare the data of a run, and compare it with the config, the model and the module of each stage."""

import logging
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.config.checks.composed_config import DATASET_KEY
from dlpipe.config.checks.one_batch import one_batch_problems
from dlpipe.config.checks.optimizer import full_batch_problems
from dlpipe.config.config_files import read_options
from dlpipe.contract import optional_method
from dlpipe.data.files import DownloadNeededError
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.data.minibatches import Shard
from dlpipe.errors import DlpipeError, Problem
from dlpipe.plugins import registry
from dlpipe.stages import Stage
from dlpipe.training.build import build_dataset
from dlpipe.training.prepared import Prepared

log = logging.getLogger(__name__)


def data_problems(prepared: Prepared) -> list[Problem]:
    """Prepare the data of each stage, downloading it if needed; problems with it, or with training on it.

    Inside `without_downloads`, data that is not here is not checked, and that is logged.
    """
    datasets: dict[str, pl.LightningDataModule] = {}
    where = f"dataset={prepared.config.dataset.name}"
    try:
        for stage in prepared.selected_stages:
            config = prepared.stage_config(stage)
            key = str(config.dataset)
            if key not in datasets:
                datasets[key] = _set_up(config, prepared.num_processes)
            if problems := _stage_problems(stage, config, datasets[key]):
                return problems
        return one_batch_problems(prepared, datasets) if prepared.settings.try_one_batch else []
    except DownloadNeededError as error:
        log.warning("%s is not checked, and one minibatch is not tried, before a run downloads it: %s", where, error)
        return []
    except DlpipeError as error:
        return [Problem(where, str(error))]
    except (Exception, SystemExit) as error:  # the dataset's code, or the model's in a full-batch check
        return [Problem(where, f"{type(error).__name__}: {error}")]


def _set_up(config: DictConfig, num_processes: int) -> pl.LightningDataModule:
    """The prepared data of a stage; an `InMemoryDataModule` is also loaded and checked."""
    data = build_dataset(config.dataset)
    data.prepare_data()
    if isinstance(data, InMemoryDataModule):
        data.shard = Shard(0, num_processes)
        data.setup("fit")
    return data


def _stage_problems(stage: Stage, config: DictConfig, data: pl.LightningDataModule) -> list[Problem]:
    if check_data := optional_method(stage.module, "check_data"):
        check_data(data)
    if isinstance(data, InMemoryDataModule) and not stage.encode:
        return full_batch_problems(stage.module, data, config)
    return []


def input_size_problems(cfg: DictConfig) -> list[Problem]:
    """Refuse an input size that is not the dataset's: the first matrix product would fail in the middle of a run."""
    num_features = cfg.dataset.get("num_features")
    if num_features is None:
        return []
    message = f"examples of {cfg.dataset.name} have {num_features} features; leave it out"
    return [
        Problem(f"model.{key}={cfg.model[key]}", message)
        for key, value in _options_of_model(cfg).items()
        if value == "${dataset.num_features}" and key in cfg.model and cfg.model[key] != num_features
    ]


def explain_missing(cfg: DictConfig, problems: list[Problem]) -> list[Problem]:
    """The same problems, but of an option that is null because its dataset's is, such as num_classes, says so."""
    if not problems:
        return []
    explained = {}
    for key, value in _options_of_model(cfg).items():
        reference = DATASET_KEY.fullmatch(str(value))
        if reference and cfg.dataset.get(reference[1]) is None:
            message = f"dataset {cfg.dataset.name!r} has no {reference[1]}; choose another dataset, or set model.{key}"
            explained[f"model.{key}=None"] = Problem(f"model.{key}", message)
    return [explained.get(problem.where, problem) for problem in problems]


def _options_of_model(cfg: DictConfig) -> dict[str, Any]:
    """The options in the model's own YAML, with interpolations; none for a model without YAML."""
    path = registry.yaml_of(registry.find("model", cfg.model.name))
    return read_options(path) if path else {}
