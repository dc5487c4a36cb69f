"""Objects that a config names by their class, ``_target_``: each must be what its place takes, at any depth.

Hydra calls whatever it finds under that key; a run's config may be anybody's.
"""

import logging
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

from dlpipe.checks.constructor import annotations
from dlpipe.errors import Problem, listed

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it raises all that it logs

TAKEN: dict[str, tuple[type, ...]] = {
    "trainer": (pl.Trainer,),
    "callbacks": (pl.Callback,),
    "logger": (Logger,),
    "optimizer": (Optimizer,),
    "scheduler": (LRScheduler, ReduceLROnPlateau),
}


def find_object(node: Any, where: str, problems: list[Problem]) -> Callable[..., Any] | None:
    """The class or function that makes the object of a node; None, and problems more, where it may not be made.

    Args:
        node: with ``_target_`` and the arguments.
        where: its place in the config, whose first part says what is taken there.
        problems: found so far.
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    return _find(plain, TAKEN[where.partition(".")[0]], where, problems)


def from_inside(node: Any, directory: Path) -> list[str]:
    """The ``_target_`` in a config, at any depth, whose code lies in a directory; nothing is imported."""
    if isinstance(node, list):
        return [path for item in node for path in from_inside(item, directory)]
    if not isinstance(node, Mapping):
        return []
    path = node.get("_target_")
    own = [path] if isinstance(path, str) and _lies_in(path, directory.resolve()) else []
    return own + [path for item in node.values() for path in from_inside(item, directory)]


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


def _refusal(taken: tuple[type, ...]) -> str:
    if not taken:
        return "no object is made here: the argument is annotated with no class"
    kinds = listed(kind.__name__ for kind in taken)
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
