"""Objects that a config names with ``_target_``: each must have a type that is allowed for its key, at any depth.

Hydra calls whatever it finds there, and a run's config or a folder of YAML (``--config-dir``) may be untrusted.
"""

import logging
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
from hydra.experimental.callback import Callback
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dlpipe.config.checks.constructor import annotations, constructor_problems
from dlpipe.config.checks.hardware import hardware_problems
from dlpipe.errors import Problem, format_list
from dlpipe.plain_config import plain
from dlpipe.training.build import options_of

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs only what it also raises

ALLOWED_TARGET_TYPES: dict[str, tuple[type, ...]] = {
    "trainer": (pl.Trainer,),
    "callbacks": (pl.Callback,),
    "logger": (Logger,),
    "optimizer": (Optimizer,),
    "scheduler": (LRScheduler, ReduceLROnPlateau),
}
# arguments of the Trainer that dlpipe sets, and what a user sets instead
MANAGED_TRAINER_ARGS = {
    "logger": "is dlpipe's; choose with logger=",
    "callbacks": "are dlpipe's; add one with +callbacks.NAME._target_=",
    "plugins": "are dlpipe's: it writes checkpoints atomically",
    "default_root_dir": "is the run's directory; choose it with hydra.run.dir=",
    "enable_checkpointing": "is dlpipe's; remove ~callbacks.checkpoints",
    "enable_progress_bar": "is dlpipe's; remove ~callbacks.progress_bar",
}
LOGGING_NODES = ("hydra_logging", "job_logging")
# what a logging configuration may instantiate, with the key ``class`` or ``()``
LOGGING_CLASSES = {
    *(f"logging.{name}" for name in ("StreamHandler", "FileHandler", "NullHandler", "Formatter", "Filter")),
    *(f"logging.handlers.{name}" for name in ("RotatingFileHandler", "TimedRotatingFileHandler")),
    "colorlog.ColoredFormatter",
    "dlpipe.cli.console.ConsoleHandler",
}
REFERENCES = ("ext://sys.stdout", "ext://sys.stderr")


def target_problems(config: DictConfig) -> list[Problem]:
    """Problems with the callbacks, the loggers and the Trainer of a run or of one of its stages."""
    problems = [
        Problem(f"trainer.{name}", message) for name, message in MANAGED_TRAINER_ARGS.items() if name in config.trainer
    ]
    problems += hardware_problems(config)
    refused = {problem.where.partition("=")[0] for problem in problems}
    resolve_target(config.trainer, "trainer", problems)
    others = {name: value for name, value in options_of(config.trainer).items() if f"trainer.{name}" not in refused}
    problems += constructor_problems(pl.Trainer, others, "trainer", takes_objects=True)
    for root in ("callbacks", "logger"):
        for name, node in config[root].items():
            where = f"{root}.{name}"
            if cls := resolve_target(node, where, problems):
                problems += constructor_problems(cls, options_of(node), where, takes_objects=True)
    return problems


def hydra_problems(cfg: DictConfig) -> list[Problem]:
    """Problems with the callbacks and the logging handlers of Hydra's own node.

    Launchers and sweepers need no check: Hydra only instantiates registered ones.
    """
    node: Any = OmegaConf.to_container(cfg.hydra, resolve=False)
    problems: list[Problem] = []
    for name, callback in (node.get("callbacks") or {}).items():
        resolve_target(callback, f"hydra.callbacks.{name}", problems, (Callback,))
    for name in LOGGING_NODES:
        problems += _logging_problems(node.get(name) or {}, f"hydra.{name}")
    return problems


def _logging_problems(node: Mapping[str, Any] | list[Any], where: str) -> Iterator[Problem]:
    for key, value in node.items() if isinstance(node, Mapping) else enumerate(node):
        item_key = f"{where}.{key}"
        if key == ".":
            yield Problem(item_key, "a logging configuration must not set attributes")
        elif key in ("()", "class") and value not in LOGGING_CLASSES:
            yield Problem(f"{item_key}={value}", f"must be one of {format_list(sorted(LOGGING_CLASSES))}")
        elif isinstance(value, (Mapping, list)):
            yield from _logging_problems(value, item_key)
        elif isinstance(value, str) and "ext://" in value and value not in REFERENCES:
            yield Problem(f"{item_key}={value}", f"must refer to {' or '.join(REFERENCES)}")


def resolve_target(
    node: Any, where: str, problems: list[Problem], allowed: tuple[type, ...] | None = None
) -> Callable[..., Any] | None:
    """The class or function that a node names; None, with the reasons added to ``problems``, if it is not allowed.

    ``where`` is the node's key in the config. ``allowed`` has the classes that may be instantiated there; by default,
    those of the first part of ``where``.
    """
    return _resolve(plain(node), allowed or ALLOWED_TARGET_TYPES[where.partition(".")[0]], where, problems)


def _resolve(node: Any, allowed: tuple[type, ...], where: str, problems: list[Problem]) -> Callable[..., Any] | None:
    path = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(path, str):
        problems.append(Problem(where, "has no _target_; name a class, such as package.module.Class"))
        return None
    if not _may_be_imported(path, allowed):
        problems.append(Problem(f"{where}._target_={path}", _refusal(allowed)))
        return None
    try:
        target: Callable[..., Any] = get_object(path)
    except (Exception, SystemExit) as error:  # its module may raise anything on import
        problems.append(Problem(f"{where}._target_={path}", f"cannot be imported: {' '.join(str(error).split())}"))
        return None
    hints = annotations(target)
    result_type = target if isinstance(target, type) else hints.get("return")
    if not (isinstance(result_type, type) and issubclass(result_type, allowed)):
        problems.append(Problem(f"{where}._target_={path}", _refusal(allowed)))
        return None
    count = len(problems)
    for name, value in node.items():
        for inner_key, inner in _objects(value, f"{where}.{name}"):
            _resolve(inner, _classes(hints.get(name)), inner_key, problems)
    return target if len(problems) == count else None


def _may_be_imported(path: str, allowed: tuple[type, ...]) -> bool:
    """Whether a module may be imported to inspect it.

    Some modules of the standard library act on import; they may be imported only if an allowed class is theirs.
    """
    package, *names = path.split(".")
    if "__main__" in names:
        return False
    return package not in sys.stdlib_module_names or package in {cls.__module__.partition(".")[0] for cls in allowed}


def _refusal(allowed: tuple[type, ...]) -> str:
    if not allowed:
        return "no object is allowed here: the annotation of the argument names no class"
    kinds = format_list(kind.__name__ for kind in allowed)
    return f"makes no {kinds}; name a class of that kind, or a function annotated to return one"


def _objects(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The outermost nodes with ``_target_`` in the value of an argument, with their keys."""
    if isinstance(value, Mapping) and "_target_" in value:
        yield where, value
    elif isinstance(value, (Mapping, list)):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _objects(item, f"{where}.{key}")


def _classes(annotation: Any) -> tuple[type, ...]:
    """All classes in an annotation except builtins; none for ``Any``, which would allow everything."""
    arguments = typing.get_args(annotation)
    if arguments:
        return tuple(cls for argument in arguments for cls in _classes(argument))
    return (annotation,) if isinstance(annotation, type) and annotation.__module__ != "builtins" else ()
