"""What a training step may depend on, so that its trace stays valid: everything else makes it not traceable."""

import contextlib
import functools
import random
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from dlpipe.training.lightning_private import replace_trainer

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
        attributes, path = vars(part), name or "self"
        if any(attributes[hooks] for hooks in HOOKS):
            raise NotTraceableError(f"{name or type(module).__name__} has hooks")
        own = [key for key in attributes if key not in LIGHTNING_ATTRIBUTES]
        state += [id(part), [(key, _comparable(attributes[key], f"{path}.{key}", seen)) for key in own]]
        for cls in type(part).__mro__:
            if not cls.__module__.startswith(LIBRARIES):
                constants = vars(cls).items()
                state.append([item for item in constants if isinstance(item[1], PLAIN) and item[0][:2] != "__"])
        for key, parameter in part._parameters.items():
            if parameter is not None:
                if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
                    raise NotTraceableError(f"{path}.{key} has hooks")
                state.append((_address(parameter), parameter.requires_grad))
        state += [_address(buffer) for buffer in part._buffers.values() if buffer is not None]
    return state


def _address(tensor: Tensor) -> tuple[int, int]:
    """Which tensor it is, and where: a CUDA graph knows its memory alone."""
    return id(tensor), tensor.data_ptr() if type(tensor) in (Tensor, nn.Parameter) else 0


def _comparable(value: Any, path: str, seen: set[int]) -> Any:
    """Plain values that differ when the value has changed; ``seen`` holds the ids of containers already visited."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor):
        return _address(value)
    if isinstance(value, COMPARED_BY_IDENTITY) or id(value) in seen:
        return id(value)
    if isinstance(value, MethodType):
        return id(value.__func__), _comparable(value.__self__, path, seen)
    if isinstance(value, functools.partial):
        return [_comparable(part, path, seen) for part in (value.func, value.args, value.keywords)]
    seen.add(id(value))
    if isinstance(value, dict):
        return [(key, _comparable(item, f"{path}.{key}", seen)) for key, item in value.items()]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_comparable(item, path, seen) for item in value]
    if isinstance(value, np.ndarray) or not hasattr(value, "__dict__"):
        raise NotTraceableError(f"{path} is a {type(value).__name__}, which may change unseen")
    return type(value), _comparable(vars(value), path, seen)


class Forbidden:
    """Stands for what a traced step must not depend on: every use of it raises NotTraceableError."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def _refuse(self, *_: Any) -> Any:
        raise NotTraceableError(f"training_step uses {object.__getattribute__(self, '_name')}")


# Python looks these up on the class
for _name in (
    *("getattribute", "setattr", "eq", "ne", "lt", "le", "gt", "ge", "bool", "index", "int", "float", "hash", "str"),
    *("repr", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod"),
    *("rmod", "pow", "rpow", "neg", "format", "call", "iter", "len", "getitem", "contains"),
):
    setattr(Forbidden, f"__{_name}__", Forbidden._refuse)


@contextlib.contextmanager
def isolated(module: pl.LightningModule, log: Callable[..., None]) -> Iterator[None]:
    """The module without its trainer and with another ``log``; afterwards it has the attributes it had.

    Raises:
        NotTraceableError: at the end, if random numbers of ``random`` or numpy were used, whose states are restored.
    """
    kept = [(part, dict(vars(part)), dict(part._buffers)) for part in module.modules()]
    # torch counts with tensors of one number, as the steps of a BatchNorm, although its tensors are fake
    copies = [(buffer, buffer.clone()) for buffer in module.buffers() if buffer.numel() == 1]
    python, legacy = random.getstate(), np.random.get_state()
    vars(module)["log"] = log
    replace_trainer(module, Forbidden("the trainer"))
    try:
        yield
    finally:
        for part, attributes, buffers in kept:
            vars(part).clear()
            vars(part).update(attributes)
            part._buffers.clear()
            part._buffers.update(buffers)
        for buffer, copy in copies:
            buffer.copy_(copy)
        draws = random.getstate() != python or str(np.random.get_state()) != str(legacy)
        random.setstate(python)
        np.random.set_state(legacy)
    if draws:
        raise NotTraceableError("training_step draws numbers outside torch")
