"""What a training step may depend on, so that its trace stays valid: everything else makes it not traceable."""

import functools
from collections import deque
from collections.abc import Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

PLAIN = (bool, int, float, complex, str, bytes, type(None), Enum, np.generic, torch.dtype, torch.device)
# compared by identity, as tensors are: their changes are changes of tensors, or of code
COMPARED_BY_IDENTITY = (nn.Module, torch.Generator, type, FunctionType, BuiltinFunctionType, ModuleType)
# what every module has, and the `log` that the core puts in front of Lightning's for a while
LIGHTNING_ATTRIBUTES = frozenset(vars(pl.LightningModule())) - {"training"} | {"log"}
LIBRARIES = ("torch", "pytorch_lightning", "builtins")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class NotTraceableError(Exception):
    """Why a training step cannot be traced."""


def plain_state(module: pl.LightningModule) -> list[Any]:
    """All that the step may depend on besides the values of tensors; when it changes, the step is traced again.

    Raises:
        NotTraceableError: a part has hooks, or an attribute of a kind whose changes cannot be seen.
    """
    seen: set[int] = set()
    state: list[Any] = []
    for name, part in module.named_modules():
        attributes = vars(part)
        if any(attributes[hooks] for hooks in HOOKS):
            raise NotTraceableError(f"{name or type(module).__name__} has hooks")
        own = [key for key in attributes if key not in LIGHTNING_ATTRIBUTES]
        state += [list(_class_constants(cls)) for cls in type(part).__mro__ if not cls.__module__.startswith(LIBRARIES)]
        state += [id(part), [(key, _comparable(attributes[key], f"{name or 'self'}.{key}", seen)) for key in own]]
        state += _parameter_states(part, name or "self")
        state += [_address(buffer) for buffer in part._buffers.values() if buffer is not None]
    return state


def _class_constants(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in vars(cls).items() if isinstance(value, PLAIN) and not key.startswith("__"))


def _parameter_states(part: nn.Module, path: str) -> Iterator[Any]:
    for name, parameter in part._parameters.items():
        if parameter is None:
            continue
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise NotTraceableError(f"{path}.{name} has hooks")
        yield _address(parameter), parameter.requires_grad


def _address(tensor: Tensor) -> tuple[int, int]:
    """Which tensor it is, and where: a CUDA graph knows its memory alone."""
    return id(tensor), tensor.data_ptr() if type(tensor) in (Tensor, nn.Parameter) else 0


def _comparable(value: Any, path: str, seen: set[int]) -> Any:
    """Plain values that differ when the value has changed; ``seen`` holds the ids of containers already visited."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor):
        return _address(value)
    if isinstance(value, COMPARED_BY_IDENTITY):
        return id(value)
    if isinstance(value, MethodType):
        return id(value.__func__), _comparable(value.__self__, path, seen)
    if isinstance(value, functools.partial):
        return [_comparable(part, path, seen) for part in (value.func, value.args, value.keywords)]
    if id(value) in seen:
        return id(value)
    seen.add(id(value))
    return _comparable_container(value, path, seen)


def _comparable_container(value: Any, path: str, seen: set[int]) -> Any:
    if isinstance(value, dict):
        return [(key, _comparable(item, f"{path}.{key}", seen)) for key, item in value.items()]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_comparable(item, path, seen) for item in value]
    if isinstance(value, np.ndarray) or not hasattr(value, "__dict__"):
        raise NotTraceableError(f"{path} is a {type(value).__name__}, which may change unseen")
    return type(value), _comparable(vars(value), path, seen)
