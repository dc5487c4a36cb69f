"""Compute once what is the same at every minibatch, such as the gradient of a mean that backward starts from."""

import torch
from torch import Tensor, fx

aten = torch.ops.aten
# their values depend on nothing but the shape of their first argument
FILLED = (aten.ones_like.default, aten.zeros_like.default, aten.full_like.default)
# views, of which torch does not say so
MAY_BE_VIEWS = (aten._unsafe_view.default, aten.reshape.default, aten.contiguous.default)


def fold_constants(root: fx.GraphModule) -> None:
    """Replace operations whose results do not depend on a minibatch, a weight or a random number by those results.

    Args:
        root: the graph of a trace; its operations have ``meta["val"]``.
    """
    values: dict[fx.Node, Tensor] = {}
    written = _written(root.graph)
    for node in root.graph.nodes:
        if node in written or not _is_deterministic(node) or not _is_of_fixed_size(node):
            continue
        if node.target in FILLED and len(node.all_input_nodes) == 1:
            like = node.meta["val"]
            result = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)
            values[node] = node.target(result, *node.args[1:], **node.kwargs)
        elif all(argument in values for argument in node.all_input_nodes):
            arguments, options = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = node.target(*arguments, **options)
    for node in values:
        if all(user in values for user in node.users):
            continue
        name = f"constant_{node.name}"
        root.register_buffer(name, values[node].clone(), persistent=False)  # memory of its own, also where expanded
        with root.graph.inserting_before(node):
            constant = root.graph.get_attr(name)
        constant.meta = node.meta
        node.replace_all_uses_with(constant, delete_user_cb=lambda user: user not in values)


def _written(graph: fx.Graph) -> set[fx.Node]:
    """The operations that write to memory, and those whose result may share the memory that one writes to."""
    found: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if _is_mutable(node):
            found.update((node, *node.all_input_nodes))
        elif node in found and not _gives_new_memory(node):
            found.update(node.all_input_nodes)
    return found


def _is_mutable(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and bool(node.target._schema.is_mutable)


def _gives_new_memory(node: fx.Node) -> bool:
    """Whether no result is a view of an argument, as those of `split`, which are taken one by one, are."""
    operation = node.target
    if not isinstance(operation, torch._ops.OpOverload) or operation.namespace != "aten":
        return False
    return operation not in MAY_BE_VIEWS and not any(result.alias_info for result in operation._schema.returns)


def _is_deterministic(node: fx.Node) -> bool:
    """Whether it is one of torch's own operations that draws no random numbers."""
    operation = node.target
    if not isinstance(operation, torch._ops.OpOverload) or operation.namespace != "aten":
        return False
    return torch.Tag.nondeterministic_seeded not in operation.tags


def _is_of_fixed_size(node: fx.Node) -> bool:
    """Whether it is one tensor, whose size depends on no minibatch's."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and all(isinstance(size, int) for size in (*value.shape, *value.stride()))
