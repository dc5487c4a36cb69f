"""A training step and its gradients as a list of tensor operations, traced once.

Around the operations of a small model its Python and autograd cost more than the operations. A step that is the same
list of operations at every minibatch needs neither. It is traced without its data, so that a step which looks at values
(`.item()`, `if loss > 1`) cannot be traced wrongly: tracing fails. What else may change between minibatches is either
not available while tracing (the trainer and its counts, the number of the minibatch) or in `plain_state`.
"""

from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_map_only

from dlpipe.training.speed.constants import fold_constants
from dlpipe.training.speed.traceable import Forbidden, NotTraceableError, isolated, plain_state

# name, value, and further arguments of each `self.log`
Logged = list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]]
SIZES = (torch.SymInt, torch.SymFloat, torch.SymBool)


class Trace(NamedTuple):
    """The graph of (tensors of a minibatch) -> loss, gradients, logged values, with its nodes for them.

    Args:
        root: the graph, with the parameters and buffers that it reads.
        loss: node of a scalar.
        gradients: node of each parameter that the loss depends on.
        logged: arguments of each `self.log`, with its node in place of a tensor.
        inputs: tensors without values that stand for the minibatch's, perhaps of variable sizes.
    """

    root: fx.GraphModule
    loss: fx.Node
    gradients: dict[nn.Parameter, fx.Node]
    logged: Logged
    inputs: list[Tensor]

    @property
    def constants(self) -> SimpleNamespace:
        """What the graph reads besides its arguments, by the names that its code uses."""
        names = {node.target for node in self.root.graph.nodes if node.op == "get_attr"}
        return SimpleNamespace(**{name: getattr(self.root, name) for name in sorted(names)})


def tensors_of(batch: Any) -> tuple[Tensor, ...]:
    """The tensors of a minibatch: a tensor, or a flat tuple, list or dict of tensors.

    Raises:
        NotTraceableError: the minibatch is anything else.
    """
    items = (batch,) if isinstance(batch, Tensor) else tuple(batch.values()) if isinstance(batch, dict) else batch
    if not isinstance(items, (tuple, list)) or not all(isinstance(item, Tensor) for item in items):
        raise NotTraceableError(f"a minibatch is a {type(batch).__name__} that holds more than tensors")
    return tuple(items)


def trace_training_step(
    module: pl.LightningModule, batch: Any, tensors: tuple[Tensor, ...], window: int = 1, variable_sizes: bool = False
) -> Trace:
    """Trace the training step for minibatches of this type whose tensors, from `tensors_of`, have these shapes.

    The gradients are those of the loss over ``window``, the number of minibatches that add up theirs. With
    ``variable_sizes`` the trace also holds for other shapes, those that `dlpipe.training.speed.shapes.holds_for` says.

    Raises:
        NotTraceableError: the step is not, or not surely, the same operations at every minibatch.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    logged: Logged = []

    def step(*tensors: Tensor) -> list[Tensor | None]:
        loss = _loss_of(module, _batch_like(batch, tensors))
        mean = loss if window == 1 else loss / window
        gradients = torch.autograd.grad(mean, parameters, allow_unused=True)
        return [loss, *gradients, *(value for _, value, _, _ in logged if isinstance(value, Tensor))]

    def log(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        logged.append((name, *tree_map_only(SIZES, _as_number, (value, args, kwargs))))

    before = plain_state(module)
    with isolated(module, log):
        try:
            sizes: Literal["symbolic", "fake"] = "symbolic" if variable_sizes else "fake"
            root = make_fx(step, tracing_mode=sizes, _allow_non_fake_inputs=True)(*tensors)
            fold_constants(root)
        except NotTraceableError:
            raise
        except Exception as error:  # whatever a module's own code, or torch, may raise
            message = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else repr(error)
            raise NotTraceableError(message) from error
        if plain_state(module) != before:
            raise NotTraceableError("training_step sets attributes")
    return _with_nodes(root, parameters, logged)


def _as_number(size: torch.SymInt | torch.SymFloat | torch.SymBool) -> float:
    """A number that depends on a size, or whether one holds; the trace then holds for this size alone."""
    if isinstance(size, torch.SymBool):
        return bool(size)
    return int(size) if isinstance(size, torch.SymInt) else float(size)


def _batch_like(batch: Any, tensors: tuple[Tensor, ...]) -> Any:
    if isinstance(batch, Tensor):
        return tensors[0]
    if isinstance(batch, dict):
        return dict(zip(batch, tensors, strict=True))
    return type(batch)(*tensors) if hasattr(batch, "_fields") else type(batch)(tensors)


def _loss_of(module: pl.LightningModule, batch: Any) -> Tensor:
    """What ``training_step`` returns, where that is a loss and nothing else."""
    step, index = module.training_step, Forbidden("batch_idx")
    output = step(batch, index) if is_param_in_hook_signature(step, "batch_idx", min_args=2) else step(batch)
    loss = output["loss"] if isinstance(output, dict) and output.keys() == {"loss"} else output
    if not isinstance(loss, Tensor):
        raise NotTraceableError(f"training_step returns a {type(output).__name__}, not a loss alone")
    return loss


def _with_nodes(root: fx.GraphModule, parameters: list[nn.Parameter], logged: Logged) -> Trace:
    """Split the graph's outputs as the traced step returned them."""
    outputs: Any = root.graph.output_node().args[0]
    loss, *others = outputs
    inputs = [node.meta["val"] for node in root.graph.nodes if node.op == "placeholder"]
    gradients, values = others[: len(parameters)], iter(others[len(parameters) :])
    return Trace(
        root,
        loss,
        {parameter: node for parameter, node in zip(parameters, gradients, strict=True) if node is not None},
        [(name, next(values) if isinstance(v, Tensor) else v, args, kwargs) for name, v, args, kwargs in logged],
        inputs,
    )
