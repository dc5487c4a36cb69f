"""Tracing changes nothing: the module and the random number generators are as they were, and nothing else is seen."""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl

from dlpipe.training.lightning_private import replace_trainer
from dlpipe.training.speed.traceable import NotTraceableError


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
    """The module without its trainer and with another ``log``; afterwards it has the attributes it had."""
    kept = [(part, dict(vars(part)), dict(part._buffers)) for part in module.modules()]
    # torch counts with tensors of one number, as the steps of a BatchNorm, although its tensors are fake
    copies = [(buffer, buffer.clone()) for buffer in module.buffers() if buffer.numel() == 1]
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


@contextlib.contextmanager
def only_torch_random_numbers() -> Iterator[None]:
    """Refuse random numbers from ``random`` and numpy's legacy generator, and restore both.

    Raises:
        NotTraceableError: at the end, if either was used.
    """
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        used = random.getstate() != python or str(np.random.get_state()) != str(legacy)
        random.setstate(python)
        np.random.set_state(legacy)
    if used:
        raise NotTraceableError("training_step draws numbers outside torch")
