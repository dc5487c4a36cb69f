"""A type annotation's source text in words: ``list[Annotated[int, Gt(gt=0)]]`` is "list of whole numbers above 0"."""

import ast

WORDS = {
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "str": "text",
    "None": "null",
    "Path": "path",
    "list": "list",
    "dict": "mapping",
}
BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}


def type_in_words(annotation: str) -> str:
    """The words for an annotation; the annotation itself where it is none of the known ones."""
    try:
        return _words(ast.parse(annotation, mode="eval").body)
    except (KeyError, ValueError, SyntaxError):
        return annotation


def _words(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=None):
            return "null"
        case ast.Name(id=name):
            return WORDS[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{_words(left)} or {_words(right)}"
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *constraints])):
            return _words(kind) + "".join(_bounds(constraint) for constraint in constraints)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            names = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            return " or ".join(str(ast.literal_eval(name)) for name in names)
        case ast.Subscript(value=ast.Name(id="list" | "Sequence"), slice=item):
            return f"list of {_words(item).replace('number', 'numbers', 1)}"
        case ast.Subscript(value=ast.Name(id="dict" | "Mapping")):
            return "mapping"
    raise ValueError(ast.unparse(node))


def _bounds(constraint: ast.expr) -> str:
    """The bounds of ``Field(ge=0, lt=1)`` or ``Gt(gt=0)``; of a length, the number of items."""
    if not isinstance(constraint, ast.Call):
        raise ValueError(ast.unparse(constraint))
    given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in constraint.keywords}
    least, most = given.get("min_length"), given.get("max_length")
    if least is not None and least == most:
        return f", {least} of them"
    bounds = [f" {word} {given[key]}" for key, word in BOUNDS.items() if key in given]
    return "".join(bounds) + (f", at least {least}" if least is not None else "")
