"""Nested containers of tensors, such as batches and predictions, as flat lists of named tensors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from dlpipe import DlpipeError


class Structure:
    """How a batch or a prediction is nested, learnt from one of them.

    Args:
        example: a tensor, or tuples, named tuples, lists and dicts of tensors.
        names: for a tensor, and for the items of a plain tuple of as many; others are numbered after the first name.
        what: the example in words, for messages.

    Raises:
        DlpipeError: something in it is not a tensor.
    """

    def __init__(self, example: Any, names: Sequence[str], what: str) -> None:
        self.what = what
        leaves, self.spec = tree_flatten(example)
        named = dict(_named(example, "", names))
        for name, leaf in named.items():
            if not isinstance(leaf, Tensor):
                kind = type(leaf).__name__
                raise DlpipeError(
                    f"{what} cannot be described: {name} is a {kind}; only tensors in tuples, lists and dicts can be"
                )
        if not leaves:
            raise DlpipeError(f"{what} cannot be described: there is no tensor in it")
        self.names = list(named)

    def flatten(self, value: Any) -> list[Tensor]:
        """The tensors in the order of `names`."""
        leaves, spec = tree_flatten(value)
        if spec != self.spec:
            raise DlpipeError(f"{self.what} cannot be described: its structure differs from batch to batch")
        return leaves

    def unflatten(self, leaves: Sequence[Tensor]) -> Any:
        """The inverse of `flatten`."""
        return tree_unflatten(list(leaves), self.spec)


def _named(value: Any, prefix: str, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Name and content of each leaf, in the order of torch's pytrees."""
    items = _items(value, prefix, names)
    if items is None:
        yield prefix or names[0], value
        return
    for name, item in items:
        yield from _named(item, f"{prefix}_{name}" if prefix else name, names)


def _items(value: Any, prefix: str, names: Sequence[str]) -> list[tuple[str, Any]] | None:
    if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "collections"):
        return [(str(key), item) for key, item in value.items()]
    if hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if type(value) in (tuple, list):
        numbered = [str(index) if prefix else f"{names[0]}_{index}" for index in range(len(value))]
        plain = list(names[: len(value)]) if len(value) <= len(names) and not prefix else numbered
        return list(zip(plain, value, strict=True))
    return None


def to_dtype(leaves: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """The tensors, those of floating point in ``dtype``."""
    return [leaf.to(dtype) if leaf.is_floating_point() else leaf for leaf in leaves]
