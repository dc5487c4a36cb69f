"""Check a composed config and build the parts of a run from it; every command that uses a config goes through here.

This happens before any directory is created, so that an invalid request leaves no files behind.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from dlpipe.config.checks.constructor import constructor_problems
from dlpipe.config.checks.data import data_problems
from dlpipe.config.checks.hydra_node import hydra_problems
from dlpipe.config.checks.input_size import input_size_problems
from dlpipe.config.checks.instantiated_nodes import target_problems
from dlpipe.config.checks.module import module_problems
from dlpipe.config.checks.optimizer import optimizer_problems
from dlpipe.config.checks.settings import core_problems
from dlpipe.config.checks.trainer import build_problem, logger_problems, trainer_of, trainer_problems
from dlpipe.config.checks.untrusted import code_problems, untrusted_problems
from dlpipe.config.paths import make_absolute
from dlpipe.errors import DlpipeError, Problem, RequestError
from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class
from dlpipe.runs.config_file import NODES
from dlpipe.settings import Core
from dlpipe.training.build import build_model, options_of
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.prepared import Prepared
from dlpipe.training.stages.configs import KEY, stage_config, with_stage_configs

Job = tuple[list[str], DictConfig]  # overrides, and the config composed from them


def prepare_jobs(jobs: list[Job]) -> Prepared:
    """Prepare all jobs that the config checks composed; return the first, and let go of the others' models.

    Raises:
        RequestError: with every problem found.
    """
    problems: list[Problem] = []
    first: Prepared | None = None
    checked: list[Any] = []
    for overrides, config in jobs:
        data = _data_key(config)
        try:
            prepared = prepare(config, overrides, check_data=data not in checked)
            first = first or prepared
        except RequestError as error:
            problems += error.problems
        checked.append(data)
    _refuse(problems)
    assert first is not None  # there is a job, and no problem
    return first


def prepare(config: DictConfig, overrides: list[str] | None = None, check_data: bool = True) -> Prepared:
    """Check a composed config and build the parts that the run will use.

    Args:
        config: the composed config; not modified.
        overrides: those that it was composed from, to report the ones without effect.
        check_data: whether to check the data too.

    Raises:
        RequestError: with every problem found.
    """
    return _prepare(config, overrides or [], check_data and not get_rank_info().local_rank, is_stored=False)


def prepare_stored(config: DictConfig, trust: bool = False, check_data: bool = True) -> Prepared:
    """Like `prepare`, for the config in a run's directory, before the run is reproduced or resumed.

    Args:
        config: as `read_config` returns it.
        trust: whether it may import code from its directory and write outside of it: docs/trust.md.
        check_data: whether to check the data too.

    Raises:
        RequestError: with every problem found.
    """
    missing = [Problem(name, "is missing") for name in (*NODES, *Core.model_fields, "output_dir") if name not in config]
    _refuse(missing or core_problems(config))
    _refuse([] if trust else untrusted_problems(config))
    return _prepare(config, [], check_data, is_stored=True)


def prepare_model(config: DictConfig) -> pl.LightningModule:
    """The model of a stored config, for evaluation; of the config, only model and dataset are imported.

    Raises:
        RequestError: model or dataset is missing, not installed, or does not take its options.
    """
    chosen: dict[str, Any] = {kind: _plain(config[kind]) for kind in registry.KINDS if kind in config}
    _refuse(code_problems(chosen, Path(config.output_dir)) if "output_dir" in config else [])
    _refuse([Problem(kind, "is missing") for kind in registry.KINDS if kind not in config])
    _refuse(_class_problems(config))
    return build_model(config)[0]


def _prepare(config: DictConfig, overrides: list[str], check_data: bool, is_stored: bool) -> Prepared:
    """Check the named classes, then the objects built from them, then the data; each step reports all its problems."""
    _refuse(_named_problems(config, overrides))
    prepared = _build(_stored_config(config) if is_stored else resolved_config(config))
    _refuse(module_problems(prepared, is_stored))
    prepared = _with_trainers(prepared, config)
    if check_data:
        _refuse(logger_problems(prepared.config))
        _refuse(data_problems(prepared))
    return prepared


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise RequestError(problems)


def _named_problems(config: DictConfig, overrides: list[str]) -> list[Problem]:
    """Problems with the classes that a config names and with their arguments."""
    problems = _class_problems(config)
    problems += [*target_problems(config), *(hydra_problems(config) if "hydra" in config else [])]
    if model_cls := _load("model", config, []):
        problems += optimizer_problems(model_cls, config, overrides)
        problems += input_size_problems(config) if _load("dataset", config, []) else []
    return problems


def _with_trainers(prepared: Prepared, config: DictConfig) -> Prepared:
    """Build the Trainer of each stage to learn the number of processes."""
    count = 1
    for stage in prepared.selected_stages:
        stage_config = prepared.stage_config(stage)
        try:
            trainer = trainer_of(stage_config, stage)
        except Exception as error:  # Lightning raises many types; each message names the argument
            raise RequestError([build_problem(stage_config, error)]) from error
        _refuse(trainer_problems(stage_config, config, trainer, stage.module))
        count = trainer.world_size
    return replace(prepared, num_processes=count)


def resolved_config(config: DictConfig) -> DictConfig:
    """A composed config with absolute paths and the differences of each stage, without ``hydra``."""
    resolved = with_stage_configs(config)
    make_absolute(resolved, working_folder())
    return resolved


def _stored_config(config: DictConfig) -> DictConfig:
    """A stored config with the differences of each stage, whose classes and arguments are checked too.

    Raises:
        RequestError: the config of a stage cannot be merged with it, or has problems.
    """
    try:
        resolved = with_stage_configs(config)
        stage_configs = [stage_config(resolved, str(name)) for name in resolved[KEY]]
    except Exception as error:  # anything may stand there
        raise RequestError([Problem(KEY, f"{' '.join(str(error).split())}")]) from error
    _refuse([problem for own in stage_configs for problem in target_problems(own)])
    return resolved


def working_folder() -> Path:
    """The folder in which the command was typed, even if Hydra has changed the working directory since."""
    return Path(HydraConfig.get().runtime.cwd) if HydraConfig.initialized() else Path.cwd()


def _class_problems(config: DictConfig) -> list[Problem]:
    """Problems with model and dataset: not installed, or they do not take the options of the config."""
    problems: list[Problem] = []
    for kind in registry.KINDS:
        if cls := _load(kind, config, problems):
            problems += constructor_problems(cls, options_of(config[kind]), kind)
    return problems


def _load(kind: registry.Kind, config: DictConfig, problems: list[Problem]) -> type[Any] | None:
    try:
        return load_class(kind, config[kind].name)
    except DlpipeError as error:
        problems.append(Problem(f"{kind}={config[kind].name}", str(error)))
        return None


def _build(config: DictConfig) -> Prepared:
    """Build the model from the config's seed, as in the run."""
    try:
        model, rng_state = build_model(config)
    except DlpipeError as error:
        raise RequestError([Problem("", str(error))]) from error
    except (Exception, SystemExit) as error:  # the model's constructor may raise anything
        raise RequestError([Problem(f"model={config.model.name}", f"{type(error).__name__}: {error}")]) from error
    return Prepared(config, model, rng_state, num_processes=1)


def _data_key(config: DictConfig) -> Any:
    """What the checks with data depend on; jobs of a sweep with the same key are checked once."""
    dataset = {key: value for key, value in _plain(config.dataset).items() if key != "seed"}
    return (dataset, _plain(config.trainer), _plain(config.model), config.optimizer.get("_target_"))


def _plain(node: DictConfig) -> Any:
    return OmegaConf.to_container(node, resolve=True)
