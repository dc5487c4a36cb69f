"""Check a composed config and build the parts of a run from it; every command that uses a config goes through here.

This happens before any directory is created, so that an invalid request leaves no files behind. Every function raises
a RequestError with all problems that it found.
"""

from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.config.checks.callbacks import callback_problems
from dlpipe.config.checks.config_checks import Job
from dlpipe.config.checks.constructor import constructor_problems
from dlpipe.config.checks.data import data_problems, explain_missing, input_size_problems
from dlpipe.config.checks.loggers import logger_problems
from dlpipe.config.checks.module import module_problems
from dlpipe.config.checks.optimizer import optimizer_problems
from dlpipe.config.checks.targets import hydra_problems, target_problems
from dlpipe.config.checks.trainer import checked_trainer
from dlpipe.config.checks.untrusted import code_problems, untrusted_problems
from dlpipe.config.checks.unused import unused_problems
from dlpipe.config.data_options import with_data_options, working_folder
from dlpipe.config.paths import make_absolute
from dlpipe.errors import DlpipeError, Problem, RequestError, refuse
from dlpipe.plain_config import flat, plain
from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class
from dlpipe.runs.config_file import read_changes, read_config, read_original_config
from dlpipe.settings import NODES, Core, core_problems
from dlpipe.training.build import build_model, options_of
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.prepared import Prepared
from dlpipe.training.resume.resume_point import same_run
from dlpipe.training.stages.configs import KEY, stage_config, with_stage_configs

NUMERIC = ("optimizer", "scheduler", "recipe")  # nodes whose fractions cannot make one minibatch fail


def prepare_jobs(jobs: list[Job]) -> Prepared:
    """Prepare all jobs that the config checks composed; return the first alone: all models would take memory."""
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
    refuse(problems)
    assert first is not None  # there is a job, and no problem
    return first


def prepare(config: DictConfig, overrides: list[str] | None = None, check_data: bool = True) -> Prepared:
    """Check a composed config, which is not modified, and build the parts that the run will use.

    ``overrides`` are those that it was composed from, to report the ones without effect.
    """
    return _prepare(config, overrides or [], check_data and not get_rank_info().local_rank, is_stored=False)


def prepare_stored(
    config: DictConfig, trust: bool = False, check_data: bool = True, typed: Container[str] = ()
) -> Prepared:
    """Like `prepare`, for the config in a run's directory, before the run is reproduced or resumed.

    ``trust`` allows it to import code from its directory and to write outside of it: docs/trust.md. The values with the
    dotted keys in ``typed`` are from the command line, and trusted.
    """
    missing = [Problem(name, "is missing") for name in (*NODES, *Core.model_fields, "output_dir") if name not in config]
    refuse(missing or core_problems(config))
    refuse([] if trust else untrusted_problems(config, typed))
    return _prepare(config, [], check_data, is_stored=True)


def with_changes(prepared: Prepared, directory: Path) -> Prepared:
    """The run in the directory as it was changed when it was resumed, if ``prepared`` asks for it to be resumed.

    Raises:
        DlpipeError: the directory holds another run.
    """
    if prepared.settings.resume is None or not read_changes(directory):
        return prepared
    same_run(read_original_config(directory), prepared.config, directory)
    return prepare_stored(read_config(directory), check_data=False)


def prepare_model(config: DictConfig) -> pl.LightningModule:
    """The model of a stored config, for evaluation; of the config, only model and dataset are imported."""
    chosen = flat({kind: plain(config[kind]) for kind in registry.KINDS if kind in config})
    refuse(code_problems(chosen, Path(config.output_dir)) if "output_dir" in config else [])
    refuse([Problem(kind, "is missing") for kind in registry.KINDS if kind not in config])
    refuse(_class_problems(config))
    return build_model(config)[0]


def _prepare(config: DictConfig, overrides: list[str], check_data: bool, is_stored: bool) -> Prepared:
    """Check the named classes, then the objects built from them, then the data; each step reports all its problems."""
    if not is_stored:
        config = with_data_options(config)
    refuse(_named_problems(config, overrides))
    prepared = _build(_stored_config(config) if is_stored else resolved_config(config))
    refuse(module_problems(prepared, is_stored))
    refuse(unused_problems(prepared, config, overrides))
    prepared = _with_trainers(prepared, config)
    if check_data:
        refuse(logger_problems(prepared.config))
        refuse(data_problems(prepared))
    return prepared


def _named_problems(config: DictConfig, overrides: list[str]) -> list[Problem]:
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
        trainer = checked_trainer(stage_config, config, stage)
        refuse(callback_problems(stage_config, stage.module, trainer.callbacks))  # type: ignore[attr-defined]
        count = trainer.world_size
    return replace(prepared, num_processes=count)


def resolved_config(config: DictConfig) -> DictConfig:
    """A composed config with absolute paths and the differences of each stage, without ``hydra``."""
    resolved = with_stage_configs(config)
    make_absolute(resolved, working_folder())
    return resolved


def _stored_config(config: DictConfig) -> DictConfig:
    """A stored config with the differences of each stage, whose classes and arguments are checked too."""
    try:
        resolved = with_stage_configs(config)
        stage_configs = [stage_config(resolved, str(name)) for name in resolved[KEY]]
    except Exception as error:  # anything may stand there
        raise RequestError([Problem(KEY, " ".join(str(error).split()))]) from error
    refuse([problem for own in stage_configs for problem in target_problems(own)])
    return resolved


def _class_problems(config: DictConfig) -> list[Problem]:
    """Problems with model and dataset: not installed, or they do not take the options of the config."""
    problems: list[Problem] = []
    for kind in registry.KINDS:
        if cls := _load(kind, config, problems):
            found = constructor_problems(cls, options_of(config[kind]), kind)
            problems += explain_missing(config, found) if kind == "model" else found
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
    """What the checks with data depend on; jobs of a sweep with the same key are checked once.

    Left out are the seed, which changes no shape, and the learning rate and other fractions of the optimizer, the LR
    scheduler and the recipe: they scale an update or a threshold, and their ranges are checked in each job.
    """
    values = {key: plain(config[key]) for key in config if key not in ("hydra", "seed")}
    values["dataset"].pop("seed", None)
    return values | {key: _without_fractions(values[key]) for key in NUMERIC}


def _without_fractions(node: Any) -> Any:
    if not isinstance(node, dict):
        return None if isinstance(node, float) else node
    return {key: _without_fractions(value) for key, value in node.items() if key != "lr"}
