"""The three formats: a file from a traced prediction or from weights, and what runs the file again."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from dlpipe import DlpipeError
from dlpipe_authoring.export.batches import Shape
from dlpipe_authoring.export.torch_errors import one_line_errors
from dlpipe_authoring.export.trace import TracedPrediction, recurrent_layers_of_any_length

Metadata = Mapping[str, Any]
DESCRIPTION = "dlpipe.json"  # the extra file of torch.export


def check_onnx_installed() -> None:
    """Refuse to export to ONNX without the packages that do it.

    Raises:
        DlpipeError: names the extra.
    """
    if missing := [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise DlpipeError(
            f"--format onnx needs {' and '.join(missing)}: pip install 'dlpipe[onnx]', or take --format torch_export"
        )


def write_onnx(
    path: Path, traced: TracedPrediction, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], metadata: Metadata
) -> None:
    """Write an ONNX file.

    Args:
        path: the file.
        traced: the prediction.
        inputs: name to shape.
        outputs: name to shape.
        metadata: for the file's ``metadata_props``; what is not text is written as JSON.
    """
    failed = one_line_errors("torch.onnx cannot export the model", "--format torch_export may")
    with failed, recurrent_layers_of_any_length():
        program: Any = torch.onnx.export(
            traced.program, (), input_names=list(inputs), output_names=list(outputs), verbose=False
        )
        graph = program.model.graph
        for node in graph:
            for value in node.outputs:
                value.shape = None  # torch states one length for the outputs of LSTMs, which onnxruntime warns of
        for value, shape in zip([*graph.inputs, *graph.outputs], [*inputs.values(), *outputs.values()], strict=True):
            value.shape = _onnx_shape(shape)
        program.model.metadata_props.update(texts(metadata))
        program.model.producer_name = "dlpipe"
        program.save(path, external_data=False)


def _onnx_shape(shape: Shape) -> Any:
    import onnx_ir

    return onnx_ir.Shape(shape)


def read_onnx(path: Path) -> Callable[[list[Tensor]], list[Tensor]] | None:
    """What runs an ONNX file in onnxruntime; None if that is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    with one_line_errors("onnxruntime cannot load the exported model"):
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(tensors: list[Tensor]) -> list[Tensor]:
        feed = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
        with one_line_errors("onnxruntime cannot run the exported model"):
            return [torch.from_numpy(output) for output in session.run(None, feed)]

    return run


def write_torch_export(path: Path, traced: TracedPrediction, metadata: Metadata) -> None:
    """Write a .pt2 file with the metadata as its extra file `DESCRIPTION`."""
    with one_line_errors("torch.export cannot save the model"):
        torch.export.save(traced.program, path, extra_files={DESCRIPTION: json.dumps(metadata, indent=2)})


def read_torch_export(path: Path) -> Callable[[list[Tensor]], list[Tensor]]:
    """What runs a .pt2 file in torch."""
    with one_line_errors("torch.export cannot load the exported model"):
        module = torch.export.load(path).module()
    return _runner(module)


def run_program(traced: TracedPrediction) -> Callable[[list[Tensor]], list[Tensor]]:
    """What runs a traced prediction in torch."""
    return _runner(traced.program.module())


def _runner(module: nn.Module) -> Callable[[list[Tensor]], list[Tensor]]:
    def run(tensors: list[Tensor]) -> list[Tensor]:
        with one_line_errors("torch cannot run the exported model"), torch.no_grad():
            return list(tree_leaves(module(*tensors)))

    return run


def write_safetensors(path: Path, model: nn.Module, metadata: Metadata) -> None:
    """Write a module's weights and buffers under their names."""
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, path, metadata=texts(metadata))


def texts(metadata: Metadata) -> dict[str, str]:
    """The metadata as texts: what is not one is written as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
