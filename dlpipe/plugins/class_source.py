"""The docstring and constructor arguments of a class, or a function's docstring, read from the source file.

Nothing is imported. griffe reads the same, but it parses all of a package for one class: `list` would take seconds
instead of one.
"""

import ast
import functools
import importlib.util
from dataclasses import dataclass, replace
from importlib.machinery import all_suffixes
from pathlib import Path

from dlpipe.plugins.registry import PluginEntry


@dataclass(frozen=True)
class Option:
    """One constructor argument; annotation and default are source text, empty if there is none."""

    name: str
    annotation: str
    default: str


@dataclass(frozen=True)
class ClassSource:
    """Docstring and constructor arguments of a class; a function has no options here."""

    docstring: str
    options: tuple[Option, ...]


@functools.cache
def read_class(entry: PluginEntry) -> ClassSource | None:
    """The class or function of an entry; None if its source cannot be found or parsed."""
    node = _find(entry.entry_point.module, entry.entry_point.attr, frozenset())
    if node is None:
        return None
    constructor = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
    options = _options(constructor) if constructor else ()
    return ClassSource(ast.get_docstring(node) or "", tuple(_expanded(entry.entry_point.module, o) for o in options))


def _expanded(module: str, option: Option) -> Option:
    """The option with its module's names for types, such as ``Positive``, replaced by what they stand for."""
    try:
        annotation = _ExpandNames(module).visit(ast.parse(option.annotation, mode="eval"))
    except SyntaxError:  # there is no annotation
        return option
    return replace(option, annotation=ast.unparse(annotation))


class _ExpandNames(ast.NodeTransformer):
    def __init__(self, module: str) -> None:
        self.module = module

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return _alias(self.module, node.id, frozenset()) or node


def _alias(module: str, name: str, seen: frozenset[str]) -> ast.expr | None:
    """The type of ``name = Annotated[...]`` in a module; follows ``from x import name``."""
    path, statements = _statements(module, seen)
    for node in statements:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
            if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
                return node.value
        elif isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
            return _alias(_absolute(node, module, path), name, seen | {module})
    return None


def static_error(entry: PluginEntry) -> str | None:
    """Why the import of an entry will fail: its module is missing or cannot be parsed; None if neither is the case."""
    path = _module_file(entry.entry_point.module)
    if path is None:
        return f"no module {entry.entry_point.module}"
    try:
        _parse(path)
    except SyntaxError as error:
        return f"{path.name}, line {error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"{path.name} cannot be read: {error}"
    return None


def _find(module: str, name: str, seen: frozenset[str]) -> ast.ClassDef | ast.FunctionDef | None:
    """The definition; follows ``from x import Name``, unless the imports are circular."""
    path, statements = _statements(module, seen)
    for node in statements:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(_absolute(node, module, path), alias.name, seen | {module})
    return None


def _statements(module: str, seen: frozenset[str]) -> tuple[Path | None, list[ast.stmt]]:
    """The file of a module and its statements; none of a module that was seen, is missing or cannot be parsed."""
    path = _module_file(module) if module not in seen else None
    try:
        return path, _parse(path).body if path else []
    except (OSError, SyntaxError, ValueError):
        return path, []


def _absolute(node: ast.ImportFrom, module: str, path: Path | None) -> str:
    if not node.level:
        return node.module or ""
    is_package = path is not None and path.name == "__init__.py"
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


@functools.cache
def _parse(path: Path) -> ast.Module:
    if path.suffix != ".py":  # compiled
        return ast.Module([], [])
    return ast.parse(path.read_bytes())


def _module_file(module: str) -> Path | None:
    """The file of a module, found from its top-level package: `find_spec` of a submodule would import its parent."""
    package, _, rest = module.partition(".")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None
    for folder in spec.submodule_search_locations or []:
        base = Path(folder).joinpath(*rest.split("."))
        for path in (base / "__init__.py", *(base.with_suffix(suffix) for suffix in all_suffixes())):
            if path.is_file():
                return path
    return None


def _options(function: ast.FunctionDef) -> tuple[Option, ...]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return tuple(
        Option(
            argument.arg,
            ast.unparse(argument.annotation) if argument.annotation else "",
            ast.unparse(default) if default else "",
        )
        for argument, default in pairs
        if argument.arg != "self"
    )
