"""Calls of torch's operations with little Python around them, which costs more than a small operation itself."""

import functools
from typing import Any

import torch

# torch has functions and methods in C for these, which take the arguments of the `aten` overloads and are faster
FUNCTIONS = frozenset(("add", "addmm", "bmm", "cat", "clone", "dot", "exp", "log", "mean", "mm", "mul", "neg", "rand"))
FUNCTIONS |= {"relu", "rsub", "sigmoid", "squeeze", "sub", "sum", "t", "tanh", "transpose", "unsqueeze"}
FUNCTIONS |= {"addcmul", "div", "empty_like", "gather", "index_select", "pow", "round", "stack", "where"}
FUNCTIONS |= {"_log_softmax", "_log_softmax_backward_data", "_softmax"}
METHODS = frozenset(("add_", "addmm_", "expand", "ge_", "lt_", "mul_", "uniform_", "view"))


def direct_call(operation: torch._ops.OpOverload) -> functools.partial[Any]:
    """The operation by its fastest call; named, as generated code needs."""
    name = operation._schema.name.removeprefix("aten::")
    owner = torch if name in FUNCTIONS else torch.Tensor if name in METHODS else None
    if operation._overloadname == "Scalar":  # torch.add(x, 1, alpha), all by position, is deprecated
        owner = None
    direct = functools.partial(getattr(owner, name) if owner else operation._op)
    vars(direct).update(__name__=str(operation).replace(".", "_"), __module__="traced")
    return direct
