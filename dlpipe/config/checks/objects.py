"""Objects that a config names with ``_target_``: each must have a type that is allowed for its key, at any depth.

Hydra calls whatever it finds under ``_target_``, and a run's config may be untrusted.
"""

import logging
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import get_object
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dlpipe.config.checks.constructor import annotations
from dlpipe.errors import Problem, format_list
from dlpipe.flat import flat

DOTTED = re.compile(r"\w+(\.\w+)+")
logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs only what it also raises

ALLOWED_TARGET_TYPES: dict[str, tuple[type, ...]] = {
    "trainer": (pl.Trainer,),
    "callbacks": (pl.Callback,),
    "logger": (Logger,),
    "optimizer": (Optimizer,),
    "scheduler": (LRScheduler, ReduceLROnPlateau),
}


def resolve_target(
    node: Any, where: str, problems: list[Problem], allowed: tuple[type, ...] | None = None
) -> Callable[..., Any] | None:
    """The class or function that a node names; None, with the reasons added to ``problems``, if it is not allowed.

    Args:
        node: with ``_target_`` and the arguments.
        where: its key in the config.
        problems: list to append to.
        allowed: the classes that may be instantiated there; None for those of the first part of ``where``.
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    return _resolve(plain, allowed or ALLOWED_TARGET_TYPES[where.partition(".")[0]], where, problems)


def imported_from(directory: Path, config: Mapping[str, Any]) -> list[str]:
    """``key=value`` of every value that, read as a dotted path, would import code from a directory.

    Every value counts, not only ``_target_``: a model may import what its options name. Nothing is imported here.
    """
    root = directory.resolve()
    return [
        f"{key}={value}"
        for key, value in flat(config).items()
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str) and DOTTED.fullmatch(text) and _is_inside(text, root)
    ]


def _is_inside(path: str, directory: Path) -> bool:
    package, *rest = path.split(".")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return False
    roots = [*(spec.submodule_search_locations or []), *filter(None, [spec.origin])] if spec else []
    return any(Path(root, *rest).resolve().is_relative_to(directory) for root in roots)


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
