"""The full pass: the chosen classes are imported, their arguments checked and the data looked for.

It runs before any directory exists, so that a request that cannot be run leaves nothing behind.
"""

import copy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from dlpipe.config.checks.constructor import constructor_problems
from dlpipe.config.checks.devices import count_problems, device_problems
from dlpipe.config.checks.hydra_node import hydra_problems
from dlpipe.config.checks.input_size import input_size_problems
from dlpipe.config.checks.objects import resolve_target
from dlpipe.config.checks.optimizer import built_problems, full_batch_problems, optimizer_problems
from dlpipe.config.checks.recipe import Core, core_problems
from dlpipe.config.checks.stored import NODES
from dlpipe.config.checks.untrusted import code_problems, untrusted_problems
from dlpipe.data import TensorDataModule
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.data.minibatches import Shard
from dlpipe.errors import DlpipeError, Problem, RequestError
from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class
from dlpipe.stages import check_stages, is_staged, selected, stages_of
from dlpipe.training.build import (
    bare_trainer,
    build_dataset,
    build_model_seeded,
    check_supports_significance,
    check_trainable,
    num_processes,
    options_of,
)
from dlpipe.training.distributed.rank_info import get_rank_info
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.stages.configs import config_of, with_stage_configs
from dlpipe.training.stages.init_from import check_start

# arguments of the Trainer that the pipeline fills in, and what says the same
MANAGED_TRAINER_ARGS = {
    "logger": "is the pipeline's; choose with logger=",
    "callbacks": "are the pipeline's; add one with +callbacks.NAME._target_=",
    "plugins": "are the pipeline's: checkpoints are written by an atomic one",
    "default_root_dir": "is the run's directory; choose it with hydra.run.dir=",
    "enable_checkpointing": "is the pipeline's; remove ~callbacks.checkpoints",
    "enable_progress_bar": "is the pipeline's; remove ~callbacks.progress_bar",
}


def check(jobs: list[tuple[list[str], DictConfig]]) -> None:
    """Check every job that the light pass composed.

    Raises:
        RequestError: with every problem found.
    """
    problems: list[Problem] = []
    prepared: list[Any] = []
    for overrides, cfg in jobs:
        model_cls = _load("model", cfg, problems)
        dataset_cls = _load("dataset", cfg, problems)
        found = []
        if model_cls:
            found += constructor_problems(model_cls, options_of(cfg.model), "model")
        if dataset_cls:
            found += constructor_problems(dataset_cls, options_of(cfg.dataset), "dataset")
        found += [*_made_problems(cfg), *(hydra_problems(cfg) if "hydra" in cfg else [])]
        if model_cls:
            found += optimizer_problems(model_cls, cfg, overrides)
        if model_cls and dataset_cls:
            found += input_size_problems(cfg)
        if not found and model_cls and dataset_cls:
            # the same data under the same optimizer need not be read again for every job of a sweep
            model = _plain(cfg.model) if hasattr(model_cls, "check_data") else cfg.model.name
            data = (_plain(cfg.dataset), _plain(cfg.trainer), model, cfg.optimizer.get("_target_"))
            found += _construction_problems(cfg, look_at_data=data not in prepared and not get_rank_info().local_rank)
            prepared.append(data)
        problems += found
    if problems:
        raise RequestError(problems)


def check_stored(cfg: DictConfig, trust: bool = False) -> None:
    """Check the config of a run's directory before it is run again, or resumed, as that of a request.

    Args:
        cfg: of the run.
        trust: whether it may import code from its directory and write outside of it.

    Raises:
        RequestError: with every problem found.
    """
    lacking = [Problem(name, "is missing") for name in (*NODES, *Core.model_fields) if name not in cfg]
    if problems := lacking or core_problems(cfg):
        raise RequestError(problems)
    if problems := [] if trust else untrusted_problems(cfg):
        raise RequestError(problems)
    try:
        stages = [config_of(cfg, name) for name in cfg.get("stage_configs", {})]
    except Exception as error:  # what cannot be laid over the config
        raise RequestError([Problem("stage_configs", _cause(error))]) from error
    if problems := [problem for stage in stages for problem in _made_problems(stage)]:
        raise RequestError(problems)
    own = copy.copy(cfg)
    own.init_from = None  # what it took from another run it has itself
    check([([], own)])


def check_parts(cfg: DictConfig) -> None:
    """Check that the model and the dataset of a run's directory are here and take the options in its config.

    Raises:
        RequestError: with every problem found.
    """
    chosen: dict[str, Any] = {kind: _plain(cfg[kind]) for kind in registry.KINDS if kind in cfg}
    if problems := code_problems(chosen, Path(cfg.output_dir)) if "output_dir" in cfg else []:
        raise RequestError(problems)
    for kind in registry.KINDS:
        if kind not in cfg:
            problems.append(Problem(kind, "is missing"))
        elif cls := _load(kind, cfg, problems):
            problems += constructor_problems(cls, options_of(cfg[kind]), kind)
    if problems:
        raise RequestError(problems)


def _plain(node: DictConfig) -> Any:
    return OmegaConf.to_container(node, resolve=True)


def _load(kind: registry.Kind, cfg: DictConfig, problems: list[Problem]) -> type[Any] | None:
    try:
        return load_class(kind, cfg[kind].name)
    except DlpipeError as error:
        problems.append(Problem(f"{kind}={cfg[kind].name}", str(error)))
        return None


def _made_problems(cfg: DictConfig) -> list[Problem]:
    """What Hydra makes for a run, or for one stage of it."""
    return [*_trainer_problems(cfg), *_node_problems(cfg)]


def _node_problems(cfg: DictConfig) -> list[Problem]:
    """The callbacks and loggers: each names a class or function and its arguments."""
    problems: list[Problem] = []
    for root in ("callbacks", "logger"):
        for name, node in cfg[root].items():
            where = f"{root}.{name}"
            cls = resolve_target(node, where, problems)
            if cls:
                problems += constructor_problems(cls, options_of(node), where, takes_objects=True)
    return problems


def _trainer_problems(cfg: DictConfig) -> list[Problem]:
    problems = [
        Problem(f"trainer.{name}", message) for name, message in MANAGED_TRAINER_ARGS.items() if name in cfg.trainer
    ]
    problems += count_problems(cfg)
    resolve_target(cfg.trainer, "trainer", problems)
    problems += constructor_problems(pl.Trainer, options_of(cfg.trainer), "trainer", takes_objects=True)
    if problems:
        return problems
    try:
        with quiet_lightning():
            trainer = bare_trainer(cfg.trainer)
    except Exception as error:  # Lightning raises many types; each says which argument it refuses
        asked = " ".join(f"trainer.{key}={cfg.trainer.get(key)}" for key in ("accelerator", "devices", "strategy"))
        return [Problem(asked, f"{_cause(error)} (trainer=default is one process on the CPU)")]
    if 0 in (trainer.max_epochs, trainer.max_steps):
        problems.append(Problem("trainer", "max_epochs and max_steps must not be 0: nothing would be trained"))
    return problems + device_problems(cfg, trainer)


def _cause(error: BaseException) -> str:
    """Hydra wraps what a constructor raised; the cause says what was wrong."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split()) or type(cause).__name__


def _construction_problems(cfg: DictConfig, look_at_data: bool) -> list[Problem]:
    """Build the model and its optimizer once, as the run will, and look for the data."""
    try:
        model = build_model_seeded(cfg)
        if not is_staged(model):
            check_trainable(model, cfg.model.name)
        check_supports_significance(model, cfg.model.name, cfg.recipe.significance)
        check_stages(model, cfg.stages, cfg.recipe.stages)
        if cfg.init_from:
            check_start(cfg, model)
    except DlpipeError as error:
        return [Problem("", str(error))]
    except (Exception, SystemExit) as error:  # whatever the model's constructor does
        return [Problem(f"model={cfg.model.name}", f"{type(error).__name__}: {error}")]
    problems = built_problems(model, cfg) if not is_staged(model) else _stage_problems(model, cfg)
    return problems or (_data_problems(model, cfg) if look_at_data else [])


def _stage_problems(model: pl.LightningModule, cfg: DictConfig) -> list[Problem]:
    """The optimizer of each stage, and whether the dataset can be encoded where one asks for it."""
    problems: list[Problem] = []
    whole = with_stage_configs(cfg)
    for stage in selected(stages_of(model), cfg.stages):
        try:
            check_trainable(stage.module, f"{cfg.model.name}, stage {stage.name}")
        except DlpipeError as error:
            problems.append(Problem(f"model={cfg.model.name}", str(error)))
        problems += built_problems(stage.module, config_of(whole, stage.name))
        if stage.encode and not issubclass(load_class("dataset", cfg.dataset.name), TensorDataModule):
            message = f"stage {stage.name} trains on a representation of it, which only a TensorDataModule can have"
            problems.append(Problem(f"dataset={cfg.dataset.name}", message))
    return problems


def _data_problems(model: pl.LightningModule, cfg: DictConfig) -> list[Problem]:
    """Find, download or refuse the data; tensors of ours are also held against the config, of each stage."""
    whole, found = with_stage_configs(cfg), dict[str, pl.LightningDataModule]()
    try:
        for stage in selected(stages_of(model), cfg.stages):
            own = config_of(whole, stage.name)
            key = str(own.dataset)
            if key not in found:
                found[key] = _prepared(own)
            data = found[key]
            if hasattr(stage.module, "check_data"):
                stage.module.check_data(data)  # type: ignore[operator]  # a method of anybody's module
            if isinstance(data, InMemoryDataModule) and not stage.encode:
                problems = full_batch_problems(stage.module, data, own)
                if problems:
                    return problems
    except DlpipeError as error:
        return [Problem(f"dataset={cfg.dataset.name}", str(error))]
    except (Exception, SystemExit) as error:  # whatever a dataset's or, under a whole-set method, a model's code does
        return [Problem(f"dataset={cfg.dataset.name}", f"{type(error).__name__}: {error}")]
    return []


def _prepared(cfg: DictConfig) -> pl.LightningDataModule:
    """The data of a run, or of one stage of it, found; tensors and sequences of ours are also loaded and checked."""
    data = build_dataset(cfg.dataset)
    data.prepare_data()
    if isinstance(data, InMemoryDataModule):
        data.shard = Shard(0, num_processes(cfg.trainer))
        data.setup("fit")
    return data
