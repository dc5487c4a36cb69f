"""What a constructor passes on with ``super().__init__(...)``, read from its source; nothing is called."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SuperCall:
    """The arguments that a constructor itself gives to the next one, besides its own ``**kwargs``.

    Args:
        positional: how many without a name.
        keywords: the names of the others.
    """

    positional: int
    keywords: frozenset[str]


def super_call(constructor: Callable[..., Any]) -> SuperCall | None:
    """The call by which a constructor passes its ``**kwargs`` on unchanged.

    None if the source cannot be read, or does anything else with ``kwargs``.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    except (OSError, TypeError, SyntaxError):
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef) or function.args.kwarg is None:
        return None
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _is_super_init(node.func)]
    uses = [node for node in ast.walk(function) if _is_name(node, function.args.kwarg.arg)]
    if len(calls) != 1 or len(uses) != 1:
        return None
    (call,) = calls
    passed_on = [keyword.value for keyword in call.keywords if keyword.arg is None]
    unpacked = [argument.value for argument in call.args if isinstance(argument, ast.Starred)]
    own = function.args.vararg.arg if function.args.vararg else None
    if passed_on != uses or any(not _is_name(node, own) for node in unpacked):
        return None
    keywords = frozenset(keyword.arg for keyword in call.keywords if keyword.arg is not None)
    return SuperCall(len(call.args) - len(unpacked), keywords)


def _is_super_init(node: ast.expr) -> bool:
    """Whether it is ``super().__init__``."""
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "super().__init__"


def _is_name(node: ast.AST, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name
