"""Objects that a config names by their class, ``_target_``: each must be what its place takes, at any depth.

Hydra calls whatever it finds under that key; a run's config may be anybody's.
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
logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it raises all that it logs

ALLOWED_TARGET_TYPES: dict[str, tuple[type, ...]] = {
    "trainer": (pl.Trainer,),
    "callbacks": (pl.Callback,),
    "logger": (Logger,),
    "optimizer": (Optimizer,),
    "scheduler": (LRScheduler, ReduceLROnPlateau),
}


def resolve_target(
    node: Any, where: str, problems: list[Problem], taken: tuple[type, ...] | None = None
) -> Callable[..., Any] | None:
    """The class or function that makes the object of a node; None, and problems more, where it may not be made.

    Args:
        node: with ``_target_`` and the arguments.
        where: its place in the config.
        problems: found so far.
        taken: the classes that may be made there; None for those that the first part of `where` says.
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    return _find(plain, taken or ALLOWED_TARGET_TYPES[where.partition(".")[0]], where, problems)


def imported_from(directory: Path, config: Mapping[str, Any]) -> list[str]:
    """``key=value`` of every value that, taken as a dotted path, would import code from a directory.

    Any value counts, not only ``_target_``: a model may import what one of its options names. Nothing is imported.
    """
    root = directory.resolve()
    return [
        f"{key}={value}"
        for key, value in flat(config).items()
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str) and DOTTED.fullmatch(text) and _lies_in(text, root)
    ]


def _lies_in(path: str, directory: Path) -> bool:
    package, *rest = path.split(".")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return False
    roots = [*(spec.submodule_search_locations or []), *filter(None, [spec.origin])] if spec else []
    return any(Path(root, *rest).resolve().is_relative_to(directory) for root in roots)


def _find(node: Any, taken: tuple[type, ...], where: str, problems: list[Problem]) -> Callable[..., Any] | None:
    path = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(path, str):
        problems.append(Problem(where, "has no _target_; name a class, such as package.module.Class"))
        return None
    if not _may_be_imported(path, taken):
        problems.append(Problem(f"{where}._target_={path}", _refusal(taken)))
        return None
    try:
        found: Callable[..., Any] = get_object(path)
    except (Exception, SystemExit) as error:  # whatever its module raises on import
        problems.append(Problem(f"{where}._target_={path}", f"cannot be imported: {' '.join(str(error).split())}"))
        return None
    hints = annotations(found)
    made = found if isinstance(found, type) else hints.get("return")
    if not (isinstance(made, type) and issubclass(made, taken)):
        problems.append(Problem(f"{where}._target_={path}", _refusal(taken)))
        return None
    count = len(problems)
    for name, value in node.items():
        for place, inner in _objects(value, f"{where}.{name}"):
            _find(inner, _classes(hints.get(name)), place, problems)
    return found if len(problems) == count else None


def _may_be_imported(path: str, taken: tuple[type, ...]) -> bool:
    """Whether a module may be imported to look at what is in it.

    A module of the standard library, some of which act when they are imported, only for a class of its own.
    """
    package, *names = path.split(".")
    if "__main__" in names:
        return False
    return package not in sys.stdlib_module_names or package in {cls.__module__.partition(".")[0] for cls in taken}


def _refusal(taken: tuple[type, ...]) -> str:
    if not taken:
        return "no object is made here: the argument is annotated with no class"
    kinds = format_list(kind.__name__ for kind in taken)
    return f"makes no {kinds}; name a class of that kind, or a function annotated to return one"


def _objects(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The objects that are to be made inside of an argument, with their places; not those inside of them."""
    if isinstance(value, Mapping) and "_target_" in value:
        yield where, value
    elif isinstance(value, (Mapping, list)):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _objects(item, f"{where}.{key}")


def _classes(annotation: Any) -> tuple[type, ...]:
    """Every class in an annotation, beside those of plain values; none in ``Any``, which would take everything."""
    arguments = typing.get_args(annotation)
    if arguments:
        return tuple(cls for argument in arguments for cls in _classes(argument))
    return (annotation,) if isinstance(annotation, type) and annotation.__module__ != "builtins" else ()
