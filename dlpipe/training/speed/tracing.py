"""A training step and its gradients as a list of tensor operations, recorded once.

Around the operations of a small model its Python and autograd cost more than the operations. A step that is the same
list of operations at every minibatch needs neither. It is recorded without its data, so that a step which looks at
values (`.item()`, `if loss > 1`) cannot be recorded wrongly: recording fails. What else may change between minibatches
is either not to be had while recording (the trainer and its counts, the number of the minibatch) or in `plain_state`.
"""

import contextlib
import functools
import random
from collections import deque
from collections.abc import Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from dlpipe.training.lightning_private import replace_trainer

PLAIN = (bool, int, float, complex, str, bytes, type(None), Enum, np.generic, torch.dtype, torch.device)
# compared by identity, as tensors are: their changes are changes of tensors, or of code
KNOWN = (nn.Module, torch.Generator, type, FunctionType, BuiltinFunctionType, ModuleType)
# what every module has, and the `log` that the core puts in front of Lightning's for a while
OF_LIGHTNING = frozenset(vars(pl.LightningModule())) - {"training"} | {"log"}
LIBRARIES = ("torch", "pytorch_lightning", "builtins")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# name, value, and further arguments of each `self.log`
Logged = list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]]


class NotTraceableError(Exception):
    """Why a training step cannot be recorded."""


class Trace(NamedTuple):
    """The graph of (tensors of a minibatch) -> loss, gradients, logged values, with its nodes for them.

    Args:
        root: the graph, with the parameters and buffers that it reads.
        loss: a scalar.
        gradients: of each parameter that the loss depends on.
        logged: arguments of each `self.log`, the value replaced by its node.
    """

    root: fx.GraphModule
    loss: fx.Node
    gradients: dict[nn.Parameter, fx.Node]
    logged: Logged

    @property
    def constants(self) -> SimpleNamespace:
        """What the graph reads besides its arguments, by the names that its code uses."""
        names = {node.target for node in self.root.graph.nodes if node.op == "get_attr"}
        return SimpleNamespace(**{name: getattr(self.root, name) for name in sorted(names)})


class _Forbidden:
    """What a recorded step must not depend on: every use of it raises."""

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
    setattr(_Forbidden, f"__{_name}__", _Forbidden._refuse)


def tensors_of(batch: Any) -> tuple[Tensor, ...] | None:
    """The tensors of a minibatch: of one, of a flat tuple or list, or of a flat dict; None of anything else."""
    items = (batch,) if isinstance(batch, Tensor) else tuple(batch.values()) if isinstance(batch, dict) else batch
    if not isinstance(items, (tuple, list)) or not all(isinstance(item, Tensor) for item in items):
        return None
    return tuple(items)


def trace_training_step(module: pl.LightningModule, batch: Any, tensors: tuple[Tensor, ...]) -> Trace:
    """Record the training step for minibatches of this form and shape.

    Args:
        module: whose step it is.
        batch: a minibatch.
        tensors: those in it, as `tensors_of` gives them.

    Raises:
        UnrecordableError: the step is not, or not surely, the same operations at every minibatch.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    logged: Logged = []

    def log(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        logged.append((name, value, args, kwargs))

    def step(*tensors: Tensor) -> list[Tensor | None]:
        loss = loss_of(module, _like(batch, tensors), _Forbidden("batch_idx"))
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        return [loss, *gradients, *(value for _, value, _, _ in logged if isinstance(value, Tensor))]

    before = plain_state(module)
    with _alone(module, log), _drawing_nothing():
        try:
            root = make_fx(step, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
        except NotTraceableError:
            raise
        except Exception as error:  # whatever a module's own code, or torch, may raise
            raise NotTraceableError(
                f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else repr(error)
            ) from error
        if plain_state(module) != before:
            raise NotTraceableError("training_step sets attributes")
    (loss, *outputs), count = next(n for n in root.graph.nodes if n.op == "output").args[0], len(parameters)
    values = iter(outputs[count:])
    return Trace(
        root,
        loss,
        {p: node for p, node in zip(parameters, outputs[:count], strict=True) if node is not None},
        [(name, next(values) if isinstance(v, Tensor) else v, args, kwargs) for name, v, args, kwargs in logged],
    )


def loss_of(module: pl.LightningModule, batch: Any, batch_idx: Any) -> Tensor:
    """What ``training_step`` returns, where that is a loss and nothing else.

    Raises:
        UnrecordableError: it returns something else.
    """
    step = module.training_step
    output = step(batch, batch_idx) if is_param_in_hook_signature(step, "batch_idx", min_args=2) else step(batch)
    loss = output["loss"] if isinstance(output, dict) and output.keys() == {"loss"} else output
    if not isinstance(loss, Tensor):
        raise NotTraceableError(f"training_step returns a {type(output).__name__}, not a loss alone")
    return loss


def plain_state(module: pl.LightningModule) -> list[Any]:
    """All that the step may depend on besides the values of tensors; a step is recorded anew when it changes.

    Raises:
        UnrecordableError: something has an attribute of a kind that may change unseen.
    """
    seen: set[int] = set()
    state: list[Any] = []
    for name, part in module.named_modules():
        attributes = vars(part)
        if any(attributes[hooks] for hooks in HOOKS):
            raise NotTraceableError(f"{name or type(module).__name__} has hooks")
        own = [key for key in attributes if key not in OF_LIGHTNING]
        state += [list(_plain_of_class(cls)) for cls in type(part).__mro__ if not cls.__module__.startswith(LIBRARIES)]
        state += [id(part), [(key, _frozen(attributes[key], f"{name or 'self'}.{key}", seen)) for key in own]]
        for parameter_name, parameter in attributes["_parameters"].items():
            if parameter is not None:
                if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
                    raise NotTraceableError(f"{name or 'self'}.{parameter_name} has hooks")
                state.append((_place(parameter), parameter.requires_grad))
        state += [_place(buffer) for buffer in attributes["_buffers"].values() if buffer is not None]
    return state


def _plain_of_class(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in vars(cls).items() if isinstance(value, PLAIN) and not key.startswith("__"))


def _place(tensor: Tensor) -> tuple[int, int]:
    """Which tensor it is, and where: a CUDA graph knows its memory alone."""
    return id(tensor), tensor.data_ptr() if type(tensor) in (Tensor, nn.Parameter) else 0


def _frozen(value: Any, path: str, seen: set[int]) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor):
        return _place(value)
    if isinstance(value, KNOWN):
        return id(value)
    if isinstance(value, MethodType):
        return id(value.__func__), _frozen(value.__self__, path, seen)
    if isinstance(value, functools.partial):
        return [_frozen(part, path, seen) for part in (value.func, value.args, value.keywords)]
    if id(value) in seen:  # it has been looked at already
        return id(value)
    seen.add(id(value))
    if isinstance(value, dict):
        return [(key, _frozen(item, f"{path}.{key}", seen)) for key, item in value.items()]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_frozen(item, path, seen) for item in value]
    if isinstance(value, np.ndarray) or not hasattr(value, "__dict__"):
        raise NotTraceableError(f"{path} is a {type(value).__name__}, which may change unseen")
    return type(value), _frozen(vars(value), path, seen)


@contextlib.contextmanager
def _alone(module: pl.LightningModule, log: Any) -> Iterator[None]:
    """The module without its trainer, with another `log`, and at the end with the attributes it had."""
    kept = [(part, dict(vars(part)), dict(part._buffers)) for part in module.modules()]
    # torch counts with what holds one number, as the steps of a BatchNorm, in spite of the fakes
    copies = [(buffer, buffer.clone()) for buffer in module.buffers() if buffer.numel() == 1]
    vars(module)["log"] = log
    replace_trainer(module, _Forbidden("the trainer"))
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


def _like(batch: Any, tensors: tuple[Tensor, ...]) -> Any:
    if isinstance(batch, Tensor):
        return tensors[0]
    if isinstance(batch, dict):
        return dict(zip(batch, tensors, strict=True))
    return type(batch)(*tensors) if hasattr(batch, "_fields") else type(batch)(tensors)


@contextlib.contextmanager
def _drawing_nothing() -> Iterator[None]:
    """Refuse to draw from the generators outside torch, and leave them where they were."""
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        drawn = random.getstate() != python or str(np.random.get_state()) != str(legacy)
        random.setstate(python)
        np.random.set_state(legacy)
    if drawn:
        raise NotTraceableError("training_step draws numbers outside torch")
