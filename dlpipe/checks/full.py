"""The full pass: the chosen classes are imported, their arguments checked and the data looked for.

It runs before any directory exists, so that a request that cannot be run leaves nothing behind.
"""

from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from dlpipe import plugins
from dlpipe.build import (
    bare_trainer,
    build_dataset,
    build_model,
    check_testable,
    check_trainable,
    options_of,
    processes,
)
from dlpipe.checks.constructor import constructor_problems, find_object
from dlpipe.checks.devices import device_problems
from dlpipe.checks.optimizer import built_problems, optimizer_problems, whole_set_problems
from dlpipe.data import TensorDataModule
from dlpipe.data.minibatches import Part
from dlpipe.distributed.place import place
from dlpipe.errors import DlpipeError, Problem, RequestError
from dlpipe.load_class import load_class
from dlpipe.quiet import quiet_lightning

# arguments of the Trainer that the pipeline fills in, and what says the same
OWN_OPTIONS = {
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
        found += _trainer_problems(cfg)
        found += _node_problems(cfg)
        if model_cls:
            found += optimizer_problems(model_cls, cfg, overrides)
        if not found and model_cls and dataset_cls:
            # the same data under the same optimizer need not be read again for every job of a sweep
            data = (_plain(cfg.dataset), _plain(cfg.trainer), cfg.model.name, cfg.optimizer._target_)
            found += _construction_problems(cfg, look_at_data=data not in prepared and not place().local_rank)
            prepared.append(data)
        problems += found
    if problems:
        raise RequestError(problems)


def _plain(node: DictConfig) -> Any:
    return OmegaConf.to_container(node, resolve=True)


def _load(kind: plugins.Kind, cfg: DictConfig, problems: list[Problem]) -> type[Any] | None:
    try:
        return load_class(kind, cfg[kind].name)
    except DlpipeError as error:
        problems.append(Problem(f"{kind}={cfg[kind].name}", str(error)))
        return None


def _node_problems(cfg: DictConfig) -> list[Problem]:
    """The callbacks and loggers: each names a class or function and its arguments."""
    problems = []
    for root in ("callbacks", "logger"):
        for name, node in cfg[root].items():
            where = f"{root}.{name}"
            if "_target_" not in node:
                problems.append(Problem(where, "has no _target_; name a class, such as package.module.Class"))
                continue
            cls = find_object(node._target_, where, problems)
            if cls:
                problems += constructor_problems(cls, options_of(node), where)
    return problems


def _trainer_problems(cfg: DictConfig) -> list[Problem]:
    problems = [Problem(f"trainer.{name}", told) for name, told in OWN_OPTIONS.items() if name in cfg.trainer]
    problems += constructor_problems(pl.Trainer, options_of(cfg.trainer), "trainer")
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
        with torch.random.fork_rng():
            model = build_model(cfg.model)
        check_trainable(model, cfg.model.name)
        check_testable(model, cfg.model.name, cfg.recipe.significance)
    except DlpipeError as error:
        return [Problem("", str(error))]
    except (Exception, SystemExit) as error:  # whatever the model's constructor does
        return [Problem(f"model={cfg.model.name}", f"{type(error).__name__}: {error}")]
    problems = built_problems(model, cfg)
    return problems or (_data_problems(model, cfg) if look_at_data else [])


def _data_problems(model: pl.LightningModule, cfg: DictConfig) -> list[Problem]:
    """Find, download or refuse the data; tensors of ours are also held against the config."""
    try:
        data = build_dataset(cfg.dataset)
        data.prepare_data()
        if isinstance(data, TensorDataModule):
            data.part = Part(0, processes(cfg.trainer))
            data.setup("fit")
            return whole_set_problems(model, data, cfg)
    except DlpipeError as error:
        return [Problem(f"dataset={cfg.dataset.name}", str(error))]
    except (Exception, SystemExit) as error:  # whatever a dataset's or, under a whole-set method, a model's code does
        return [Problem(f"dataset={cfg.dataset.name}", f"{type(error).__name__}: {error}")]
    return []
