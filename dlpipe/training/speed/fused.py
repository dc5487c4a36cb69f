"""A traced training step, without autograd and the module's Python, for plain SGD and for any other optimizer.

With plain SGD the gradient of a dense layer's weight is never formed.

The one place where dlpipe does what a library does. For `torch.optim.SGD` backward writes the gradient, the optimizer
reads it with the weight, adds the decay and writes the weight: passes over a matrix which, with small minibatches, cost
more than the arithmetic; so do autograd and the module's Python. Where a gradient is a sum of matrix products a b, as
those of dense layers are, W <- (1 - lr * decay) W - lr * a b is a product that reads and writes W once; benchmarks/
measures it. Every update comes after all that reads a parameter.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from dlpipe.training.speed.direct_call import direct_call
from dlpipe.training.speed.tracing import Trace

aten = torch.ops.aten
TRANSPOSE, DETACH, PRODUCT, SUM = aten.t.default, aten.detach.default, aten.mm.default, aten.add.Tensor
JOIN = aten.cat.default
VIEWS = (TRANSPOSE, DETACH, aten.transpose.int, aten.view.default, aten._unsafe_view.default, aten.expand.default)
# (*tensors of a minibatch, *rates of each group) -> [loss, *logged]
Step = Callable[..., list[Tensor]]


class ParameterUpdate(NamedTuple):
    """The nodes for the update of one parameter: its gradient is the sum of the products and the rest."""

    target: fx.Node
    products: list[tuple[fx.Node, fx.Node]]
    rest: list[fx.Node]
    minus_lr: fx.Node
    decay_factor: fx.Node | None  # None without weight decay


def fused_step(trace: Trace, groups: list[dict[str, Any]]) -> Step:
    """The step and the update of every parameter, in place; to be called without autograd.

    Args:
        trace: consumed.
        groups: of a `torch.optim.SGD`.
    """
    root, graph = trace.root, trace.root.graph
    with graph.inserting_before(next(node for node in graph.nodes if node.op != "placeholder")):
        rates = [
            (graph.placeholder(f"group{index}_minus_lr"), graph.placeholder(f"group{index}_decay_factor"))
            for index in range(len(groups))
        ]
    output = graph.output_node()
    with graph.inserting_before(output):
        parameter_updates = [
            _parameter_update(root, parameter, trace.gradients[parameter], group_rates, bool(group["weight_decay"]))
            for group, group_rates in zip(groups, rates, strict=True)
            for parameter in group["params"]
            if parameter in trace.gradients
        ]
        output.args = ([_clone_if_aliases_parameter(root, node) for node in _results(trace)],)
        for update in parameter_updates:
            _emit(graph, update)
    _simplify(graph)
    return _compiled(trace)


def step_with_gradients(trace: Trace, parameters: list[nn.Parameter]) -> Callable[..., list[Tensor]]:
    """The step that returns, after loss and logged values, the gradients of the parameters.

    They are tensors of their own, strided as their parameters: an optimizer and clipping may change them.

    Args:
        trace: consumed.
        parameters: at least one of ``trace.gradients``.
    """
    root, graph = trace.root, trace.root.graph
    output, count = graph.output_node(), len(parameters)
    output.args = ([*_results(trace), *(trace.gradients[parameter] for parameter in parameters)],)
    _simplify(graph)
    nodes: Any = output.args[0]
    with graph.inserting_before(output):
        results = [_clone_if_aliases_parameter(root, node) for node in nodes[:-count]]
        gradients = [
            node if _is_own(node, parameter) else _copy_like(graph, node, parameter)
            for node, parameter in zip(nodes[-count:], parameters, strict=True)
        ]
    output.args = ([*results, *gradients],)
    return _compiled(trace)


def _results(trace: Trace) -> list[fx.Node]:
    """The loss and the logged tensors."""
    return [trace.loss, *(value for _, value, _, _ in trace.logged if isinstance(value, fx.Node))]


def _compiled(trace: Trace) -> Callable[..., list[Tensor]]:
    root = trace.root
    for node in root.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            node.target = direct_call(node.target)
    root.recompile()
    # generated code looks what it reads up at every call, and nn.Module's way of finding it takes longer
    forward, constants = type(root).forward, trace.constants
    return lambda *arguments: forward(constants, *arguments)


def _is_own(node: fx.Node, parameter: nn.Parameter) -> bool:
    """Whether nothing else reads the memory of a gradient, which is strided as its parameter."""
    value = node.meta.get("val")
    if value is None or value.stride() != parameter.stride():
        return False
    while node.target in VIEWS and len(node.users) == 1:
        node = node.args[0]  # type: ignore[assignment]
    operation = node.target
    is_new = isinstance(operation, torch._ops.OpOverload) and not (operation.is_view or operation._schema.is_mutable)
    return is_new and len(node.users) == 1


def _copy_like(graph: fx.Graph, node: fx.Node, parameter: nn.Parameter) -> fx.Node:
    """A copy of a gradient with the strides of its parameter."""
    options: Any = {"dtype": parameter.dtype, "device": parameter.device}
    shape = (list(parameter.shape), list(parameter.stride()))
    empty = graph.call_function(aten.empty_strided.default, shape, options)
    return graph.call_function(aten.copy_.default, (empty, node))


def _parameter_update(
    root: fx.GraphModule, parameter: nn.Parameter, gradient: fx.Node, rates: tuple[fx.Node, fx.Node], decays: bool
) -> ParameterUpdate:
    products, rest = [], []
    target = next(n for n in root.graph.nodes if n.op == "get_attr" and getattr(root, n.target) is parameter)
    for term in _terms(gradient):
        if product := _product(root, term):
            products.append(product)
        else:
            rest.append(_clone_if_aliases_parameter(root, term))
    return ParameterUpdate(target, products, rest, rates[0], rates[1] if decays else None)


def _emit(graph: fx.Graph, update: ParameterUpdate) -> None:
    """Append the update to the graph; its first operation also applies the decay."""
    target, products, rest, minus_lr, decay_factor = update
    for left, right in _joined(graph, products):
        beta = {} if decay_factor is None else {"beta": decay_factor}
        graph.call_function(aten.addmm_.default, (target, left, right), {"alpha": minus_lr, **beta})
        decay_factor = None
    if decay_factor is not None:
        graph.call_function(aten.mul_.Scalar, (target, decay_factor))
    for term in rest:
        graph.call_function(aten.add_.Tensor, (target, term), {"alpha": minus_lr})


def _joined(graph: fx.Graph, products: list[tuple[fx.Node, fx.Node]]) -> list[tuple[fx.Node, fx.Node]]:
    """A sum of products as one, [a c] [b; d] = a b + c d, where joining the factors takes less than the sum."""
    lefts, rights = [left for left, _ in products], [right for _, right in products]
    shapes: list[Any] = [_shape(node) for node in (*lefts, *rights)]
    if len(products) < 2 or None in shapes or not all(isinstance(size, int) for shape in shapes for size in shape):
        return products  # a choice by a variable size would hold the trace to one side of it
    (rows, _), (_, columns) = shapes[0], shapes[-1]
    if sum(inner for _, inner in shapes[: len(lefts)]) * (rows + columns) > rows * columns:
        return products
    if all(left.target is TRANSPOSE for left in lefts):  # rows are joined without a copy into columns
        below = graph.call_function(JOIN, ([left.args[0] for left in lefts], 0))
        joined = graph.call_function(TRANSPOSE, (below,))
    else:
        joined = graph.call_function(JOIN, (lefts, 1))
    return [(joined, graph.call_function(JOIN, (rights, 0)))]


def _shape(node: fx.Node) -> tuple[int, ...] | None:
    """Of a tensor that was seen in tracing, or of its transpose that was added."""
    value = node.meta.get("val")
    if value is None and node.target is TRANSPOSE:
        below = _shape(node.all_input_nodes[0])
        return below and below[::-1]
    return None if value is None else tuple(value.shape)


def _terms(node: fx.Node) -> list[fx.Node]:
    """The summands of a gradient, where nothing else needs the sum."""
    parts = [part for part in node.args if isinstance(part, fx.Node)]
    if node.target is SUM and not node.kwargs and len(parts) == 2 and len(node.users) == 1:
        return [term for part in parts for term in _terms(part)]
    return [node]


def _product(root: fx.GraphModule, term: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    """Factors of a matrix product that nothing else needs, and that no update changes before it is formed."""
    transposed = False
    while term.target in (TRANSPOSE, DETACH) and len(term.users) == 1:
        transposed ^= term.target is TRANSPOSE
        term = term.args[0]  # type: ignore[assignment]
    if term.target is not PRODUCT or len(term.users) > 1:
        return None
    left, right = term.all_input_nodes if len(term.all_input_nodes) == 2 else term.all_input_nodes * 2  # of x x, once
    if _is_parameter(root, left) or _is_parameter(root, right):
        return None
    if transposed:
        left, right = (root.graph.call_function(TRANSPOSE, (factor,)) for factor in (right, left))
    return left, right


def _is_parameter(root: fx.GraphModule, node: fx.Node) -> bool:
    """Whether it shares memory with a parameter."""
    while node.target in VIEWS:
        node = node.args[0]  # type: ignore[assignment]
    return node.op == "get_attr" and isinstance(getattr(root, str(node.target)), nn.Parameter)


def _clone_if_aliases_parameter(root: fx.GraphModule, node: fx.Node) -> fx.Node:
    """The node, or a copy if an update would change it."""
    return root.graph.call_function(aten.clone.default, (node,)) if _is_parameter(root, node) else node


def _simplify(graph: fx.Graph) -> None:
    """Remove views that change nothing, and operations whose results are not used."""
    for node in graph.nodes:
        inner: Any = node.args[0] if node.args else None
        if node.target is DETACH:
            node.replace_all_uses_with(inner)
        elif node.target is TRANSPOSE and inner.target is TRANSPOSE:
            node.replace_all_uses_with(inner.args[0])
    for node in reversed(graph.nodes):
        if node.op == "call_function" and not node.users and not _has_effect(node.target):
            graph.erase_node(node)


def _has_effect(operation: Any) -> bool:
    """Whether it writes to a tensor or uses a random number generator."""
    if not isinstance(operation, torch._ops.OpOverload):
        return False
    return operation._schema.is_mutable or torch.Tag.nondeterministic_seeded in operation.tags
