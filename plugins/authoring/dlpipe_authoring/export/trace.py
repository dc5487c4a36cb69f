"""A model's prediction as a graph of torch.export, for any number of examples and steps."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dlpipe import DlpipeError
from dlpipe_authoring.export.batches import Batches, Shape
from dlpipe_authoring.export.tensors import Structure
from dlpipe_authoring.export.torch_errors import one_line_errors

ANY_SIZE = (
    "the model must work for any number of examples and steps: take x.shape[0], not len(x), and no branch or loop on it"
)


@dataclass(frozen=True)
class TracedPrediction:
    """A prediction's graph.

    Args:
        program: takes the tensors that the prediction reads.
        inputs: which of a batch's tensors these are.
        outputs: the structure of the prediction.
    """

    program: ExportedProgram
    inputs: list[int]
    outputs: Structure


class _Predictor(nn.Module):
    """The prediction as a function of the tensors that it reads; the batch's others are zeros."""

    def __init__(
        self,
        model: nn.Module,
        predict: Callable[[Any], Any],
        structure: Structure,
        example: list[Tensor],
        shapes: list[Shape],
    ) -> None:
        super().__init__()
        self.model = model  # so that its weights are parameters of this module
        self.predict = predict
        self.structure = structure
        self.example = example
        self.shapes = shapes
        self.inputs = list(range(len(example)))

    def forward(self, *tensors: Tensor) -> Any:
        given = dict(zip(self.inputs, tensors, strict=True))
        sizes = self.sizes(given)
        leaves = [
            given[index] if index in given else tensor.new_zeros([sizes.get(size, size) for size in shape])
            for index, (tensor, shape) in enumerate(zip(self.example, self.shapes, strict=True))
        ]
        return self.predict(self.structure.unflatten(leaves))

    def sizes(self, given: Mapping[int, Tensor]) -> dict[int | str, Any]:
        """The size of each named dimension of the given tensors."""
        dimensions = [(index, i, size) for index in given for i, size in enumerate(self.shapes[index])]
        return {size: given[index].shape[i] for index, i, size in dimensions if isinstance(size, str)}

    def forget_unread(self, program: ExportedProgram) -> None:
        """Take only the tensors whose values the program reads, and those that alone have a named dimension."""
        nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
        users = [nodes[str(name)].users for name in program.graph_signature.user_inputs]
        self.inputs = [index for index, each in enumerate(users) if any(not _is_size(user) for user in each)]
        for index, shape in enumerate(self.shapes):
            known = self.sizes({read: self.example[read] for read in self.inputs})
            if index not in self.inputs and any(isinstance(size, str) and size not in known for size in shape):
                self.inputs.append(index)
        self.inputs.sort()


def trace(model: nn.Module, predict: Callable[[Any], Any], batches: Batches, method: str) -> TracedPrediction:
    """Export the prediction for any size of the dimensions that have a name.

    Args:
        model: in evaluation mode.
        predict: the model's prediction for a batch.
        batches: of the test set.
        method: the name of what predicts, for messages.

    Raises:
        DlpipeError: the prediction fails, draws at random, is not made of tensors, or torch cannot export it.
    """
    example = batches.example()
    with one_line_errors(f"{method} fails on a test batch"):
        first, second = (predict(batches.structure.unflatten(example)) for _ in range(2))
    outputs = Structure(first, ("prediction",), f"what {method} returns")
    _check_repeatable(outputs.flatten(first), outputs.flatten(second), method)
    predictor = _Predictor(model, predict, batches.structure, example, batches.shapes)
    with one_line_errors(f"torch.export cannot export {method}", ANY_SIZE):
        program = _export(predictor, example, batches.shapes)
        predictor.forget_unread(program)
        if len(predictor.inputs) < len(example):
            read = [example[index] for index in predictor.inputs]
            program = _export(predictor, read, [batches.shapes[index] for index in predictor.inputs])
    return TracedPrediction(program, predictor.inputs, outputs)


def _check_repeatable(first: Sequence[Tensor], second: Sequence[Tensor], method: str) -> None:
    if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(first, second, strict=True)):
        raise DlpipeError(
            f"{method} draws at random: two calls with the same batch differ, so that no exported file can be compared "
            "with it; make it deterministic in evaluation mode"
        )


def _export(predictor: nn.Module, example: Sequence[Tensor], shapes: Sequence[Shape]) -> ExportedProgram:
    names = sorted({size for shape in shapes for size in shape if isinstance(size, str)})
    dims = {name: Dim(name) for name in names}
    dynamic = tuple({i: dims[size] for i, size in enumerate(shape) if isinstance(size, str)} for shape in shapes)
    with recurrent_layers_of_any_length():
        return torch.export.export(predictor, tuple(example), dynamic_shapes=(dynamic,), strict=False)


@contextlib.contextmanager
def recurrent_layers_of_any_length() -> Iterator[None]:
    """Export LSTM and GRU layers as loops; torch unrolls them for one length otherwise, and always before 2.10."""
    try:
        from torch.export import _patches as patches
    except ImportError:
        yield
        return
    with (
        patches.register_lstm_while_loop_decomposition(),
        patches.register_gru_while_loop_decomposition(),
    ):
        yield


def _is_size(node: torch.fx.Node) -> bool:
    return node.target == torch.ops.aten.sym_size.int
