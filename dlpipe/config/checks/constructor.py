"""Compare options with a constructor's signature: names, types and ranges, without calling it."""

import inspect
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from dlpipe.config.checks.super_call import SuperCall, super_call
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, format_list
from dlpipe.settings import pydantic_message

# bases whose constructors take no argument, whatever their signatures say
TAKE_NOTHING = (object, torch.nn.Module, pl.LightningDataModule)


@dataclass(frozen=True)
class Signature:
    """The keyword arguments that ``cls(...)`` takes.

    With ``takes_others`` it takes further ones, which only the call can check.
    """

    parameters: dict[str, inspect.Parameter]
    takes_others: bool


def signature(cls: Callable[..., Any]) -> Signature:
    """The keyword arguments that ``cls(...)`` takes.

    If ``__init__`` passes its ``**kwargs`` on to the next constructor in the MRO, the arguments of that one count too,
    except those that ``__init__`` gives it.
    """
    parameters: dict[str, inspect.Parameter] = {}
    given = SuperCall(0, frozenset())
    for function in _constructors(cls):
        arguments = list(inspect.signature(function).parameters.values())
        named = {item.name: item for item in arguments if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)}
        for name in list(named)[given.positional + isinstance(cls, type) :]:
            if name not in given.keywords:
                parameters.setdefault(name, named[name])
        if not any(item.kind is item.VAR_KEYWORD for item in arguments):
            return Signature(parameters, takes_others=False)
        call = super_call(function)
        if call is None:
            return Signature(parameters, takes_others=True)
        given = SuperCall(call.positional, call.keywords | (given.keywords - named.keys()))
    return Signature(parameters, takes_others=False)


def _constructors(cls: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The ``__init__`` of a class and of its bases in the order of the MRO; for a function, the function."""
    if not isinstance(cls, type):
        return [cls]
    return [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base) and base not in TAKE_NOTHING]


def constructor_problems(
    cls: Callable[..., Any],
    options: Mapping[str, Any],
    where: str,
    supplied: Sequence[str] = (),
    takes_objects: bool = False,
) -> list[Problem]:
    """Problems with calling ``cls(**options)``, where dlpipe adds the ``supplied`` arguments.

    ``where`` is the key of the options in the config. With ``takes_objects``, Hydra instantiates arguments with
    ``_target_`` first; their types are not checked here.
    """
    taken = signature(cls)
    known = taken.parameters
    hints = annotations(cls)
    problems = []
    for name, value in options.items():
        if name not in known and not taken.takes_others:
            suggestion = f"{did_you_mean(name, known)}{cls.__name__} takes {format_list(known)}"
            problems.append(Problem(f"{where}.{name}={value}", f"no such argument; {suggestion}"))
        elif name in hints and not (takes_objects and isinstance(value, Mapping) and "_target_" in value):
            problems += _type_problems(hints[name], value, f"{where}.{name}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options and name not in supplied:
            problems.append(Problem(f"{where}.{name}", f"has no default in {cls.__name__}; set {where}.{name}=..."))
    return problems


def annotations(cls: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of all arguments in the `signature`, without those that cannot be evaluated."""
    hints: dict[str, Any] = {}
    for function in reversed(_constructors(cls)):
        try:
            hints |= typing.get_type_hints(function, include_extras=True)
        except (NameError, TypeError, AttributeError):
            continue  # names under TYPE_CHECKING: the constructor itself checks the values
    return hints


def _type_problems(annotation: Any, value: Any, where: str) -> list[Problem]:
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True, strict=True))
    except PydanticUserError:  # an annotation with a pydantic config of its own
        adapter = TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        return []
    try:
        # in JSON mode a list is accepted for a tuple, which YAML cannot express; bytes of a name that are not UTF-8 are
        # surrogates in Python, which JSON does not have
        adapter.validate_json(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except ValidationError as error:
        return [Problem(f"{where}={value}", _reasons(error))]
    return []


def _reasons(error: ValidationError) -> str:
    """The messages for all members of a union, without duplicates."""
    details = [detail for detail in error.errors() if detail["type"] != "needs_python_object"]
    return " or ".join(dict.fromkeys(map(pydantic_message, details))) or "must be an object: a mapping with _target_"
