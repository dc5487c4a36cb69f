"""Checks of optimizer and LR scheduler: arguments, ranges, and what a full-batch optimizer requires of a model."""

import copy
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import get_class
from omegaconf import DictConfig

from dlpipe.config.checks.constructor import constructor_problems, signature
from dlpipe.config.checks.targets import resolve_target
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.errors import Problem
from dlpipe.training.build import options_of
from dlpipe.training.optimizers.attach import build_optimizer, build_scheduler, has_own_optimizer

COMPOSED = ("optimizer", "scheduler")


def optimizer_problems(model_cls: type[Any], cfg: DictConfig, overrides: list[str]) -> list[Problem]:
    """Problems with the composed optimizer and LR scheduler, or with composing them for this class at all."""
    if has_own_optimizer(model_cls):
        message = f"model {cfg.model.name!r} configures its own optimizer; drop this override"
        keys = {text: text.lstrip("+~").partition("=")[0] for text in overrides}
        return [Problem(text, message) for text, key in keys.items() if key.partition(".")[0] in COMPOSED]
    return [*_node_problems(cfg, "optimizer", "params"), *_node_problems(cfg, "scheduler", "optimizer")]


def _node_problems(cfg: DictConfig, root: str, supplied: str) -> list[Problem]:
    if not cfg[root] and root == "scheduler":  # scheduler=none
        return []
    problems: list[Problem] = []
    cls, options = resolve_target(cfg[root], root, problems), options_of(cfg[root])
    if cls is None:
        return problems
    if root == "scheduler" and (interval := options.pop("interval", None)) not in ("epoch", "step"):
        problems.append(Problem(f"scheduler.interval={interval}", "must be epoch or step"))
    problems += constructor_problems(cls, options, root, supplied=(supplied,))
    refused = {problem.where.partition("=")[0] for problem in problems}
    for name, value in options.items():
        if root == "optimizer" and f"optimizer.{name}" not in refused and name in signature(cls).parameters:
            problems += _value_problems(cls, name, value)
    return problems


def _value_problems(cls: Callable[..., Any], name: str, value: Any) -> list[Problem]:
    """Torch's message about a single option; checked one at a time, so that every invalid option is reported."""
    try:
        cls([torch.zeros(1, requires_grad=True)], **{name: value})
    except ValueError as error:
        if name != "nesterov":  # checked together with the momentum when the optimizer is built
            return [Problem(f"optimizer.{name}={value}", str(error))]
    except Exception:  # for example other arguments are missing: checked together with them
        pass
    return []


def built_problems(model: pl.LightningModule, cfg: DictConfig) -> list[Problem]:
    """Build optimizer and LR scheduler for the model's parameters, as the run will; return the problems."""
    if has_own_optimizer(model):
        return []
    problems: list[Problem] = []
    resolve_target(cfg.optimizer, "optimizer", problems)  # a stage may have its own
    if cfg.scheduler:
        resolve_target(cfg.scheduler, "scheduler", problems)
    if problems:
        return problems
    where = f"optimizer={cfg.optimizer._target_}"
    try:
        optimizer = build_optimizer(model, cfg.optimizer)
        where = f"scheduler={cfg.scheduler.get('_target_')}"
        build_scheduler(optimizer, cfg.scheduler, cfg.recipe.monitor)
    except Exception as error:  # any class may raise anything
        return [Problem(where, str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")]
    return []


def needs_full_batch(model: pl.LightningModule, cfg: DictConfig) -> bool:
    """Whether it trains with the config's optimizer, and that evaluates the loss of all training data in a step."""
    return not has_own_optimizer(model) and getattr(get_class(cfg.optimizer._target_), "requires_full_batch", False)


def full_batch_problems(model: pl.LightningModule, data: InMemoryDataModule, cfg: DictConfig) -> list[Problem]:
    """Whether a full-batch optimizer, which evaluates the loss several times a step, gets a deterministic loss.

    Computes the loss of the first minibatch twice, with different random seeds.
    """
    if not needs_full_batch(model, cfg):
        return []
    model = copy.deepcopy(model)
    name = getattr(cfg.optimizer, "method", cfg.optimizer._target_)
    if data.shard.world_size > 1:
        message = (
            f"{name} needs the loss of all the training data, and each process has only a shard; set trainer.devices=1"
        )
        return [Problem(f"trainer.devices={cfg.trainer.devices}", message)]
    loader = data.train_dataloader()
    if len(loader) != 1:
        message = f"{name} needs the whole training set as one minibatch, this makes {len(loader)}; set it to null"
        return [Problem(f"recipe.batch_size={cfg.recipe.batch_size}", message)]
    first, second = (_loss(model, next(iter(loader)), seed) for seed in (0, 1))
    if first == second:
        return []
    message = f"the loss of the same weights was {first}, then {second}: {name} needs a deterministic loss"
    return [Problem(f"model={cfg.model.name}", f"{message}; choose another optimizer, such as optimizer=sgd")]


def _loss(model: pl.LightningModule, batch: Any, seed: int) -> float:
    step: Any = model.training_step
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        outputs = step(batch, 0)
    return float(outputs["loss"] if isinstance(outputs, dict) else outputs)
