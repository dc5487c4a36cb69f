"""Export the model of a finished run, compared with the original before the file has its name."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import dlpipe
from dlpipe import DlpipeError
from dlpipe_authoring.export import formats
from dlpipe_authoring.export.batches import Batches, Shape, test_batches
from dlpipe_authoring.export.comparison import largest_difference
from dlpipe_authoring.export.description import (
    describe_preparation,
    describe_run,
    describe_tensors,
    output_shapes,
)
from dlpipe_authoring.export.prediction import prediction_of
from dlpipe_authoring.export.trace import TracedPrediction, trace
from dlpipe_authoring.export.verb import SUFFIXES

Outputs = Callable[[list[Tensor]], list[Tensor]]


def export_run(run_dir: str, format_name: str, output: Path | None, force: bool) -> None:
    """Write the file and print where it is, what it takes and gives, and how it was compared.

    Args:
        run_dir: a run's directory, or ``last``.
        format_name: a key of `SUFFIXES`.
        output: the file; None for one in ``exports/`` of the run's directory.
        force: whether to replace it.

    Raises:
        DlpipeError: the run is not finished, the file exists or has another format's suffix, the model cannot be
            exported or disagrees with the exported one; no file is written.
    """
    if format_name == "onnx":
        formats.check_onnx_installed()
    run = dlpipe.Run(run_dir)
    model_name = run.config.model.name
    _check_finished(run)
    path = output or run.directory / "exports" / f"{model_name}{SUFFIXES[format_name]}"
    _check_suffix(path, format_name)
    _check_absent(path, force)
    model = in_single_precision(run.model)
    metadata = describe_run(run) | {"preparation": describe_preparation(model, run.data)}
    with torch.no_grad(), temporary_file(path, force) as temporary_path:
        if format_name == "safetensors":
            formats.write_safetensors(temporary_path, model, metadata)
            lines = [f"{len(model.state_dict())} tensors: the weights, without the computation"]
        else:
            lines = _export_prediction(run, model, format_name, temporary_path, metadata)
    print(f"{path}: {metadata['model']} trained on {metadata['dataset']}, {_size(path)}")
    print("\n".join(lines))


def _check_finished(run: dlpipe.Run) -> None:
    status = run.summary.get("status", "not finished: it has no summary.json")
    if status != "finished":
        directory = run.directory
        raise DlpipeError(f"{directory} is {status}; finish it first: python -m dlpipe resume {directory}")


def _check_suffix(path: Path, format_name: str) -> None:
    named = next((name for name, suffix in SUFFIXES.items() if suffix == path.suffix), format_name)
    if named != format_name:
        raise DlpipeError(f"{path} is not the name of a file in the format {format_name}; add --format {named}")


def _check_absent(path: Path, force: bool) -> None:
    if path.is_dir():
        raise DlpipeError(f"{path} is a folder; name a file with -o FILE")
    if path.exists() and not force:
        raise DlpipeError(f"{path} exists; replace it with --force, or name another file with -o FILE")


def in_single_precision(model: nn.Module) -> nn.Module:
    """The module, in float32 if it has weights of 16 bits, which few runtimes compute with; float64 stays."""
    if any(weight.dtype in (torch.float16, torch.bfloat16) for weight in model.parameters()):
        model.float()
    return model


@contextlib.contextmanager
def temporary_file(path: Path, force: bool) -> Iterator[Path]:
    """A path beside ``path`` with its suffix, renamed to it at the end, or deleted after an error."""
    temporary_path = path.with_name(f".{secrets.token_hex(8)}.tmp.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary_path
        _check_absent(path, force)  # it may have been written since
        temporary_path.replace(path)
    except OSError as error:
        raise DlpipeError(f"{path} cannot be written: {error.strerror or error}; name another file with -o") from error
    finally:
        with contextlib.suppress(OSError):
            temporary_path.unlink()


def _export_prediction(
    run: dlpipe.Run, model: Any, format_name: str, path: Path, metadata: dict[str, Any]
) -> list[str]:
    """Write and compare; returns what to print about it."""
    method, predict = prediction_of(model, run.config.model.name)
    dtype = next((weight.dtype for weight in model.parameters() if weight.is_floating_point()), torch.float32)
    batches = test_batches(run.data, run.config.dataset.name, dtype)
    traced = trace(model, predict, batches, method)
    compared = [batches.example(), batches.first_alone(), *batches.batches]

    def original(batch: list[Tensor]) -> list[Tensor]:
        return traced.outputs.flatten(predict(batches.structure.unflatten(batch)))

    expected = [original(batch) for batch in compared]
    inputs = {batches.structure.names[index]: batches.shapes[index] for index in traced.inputs}
    outputs = dict(zip(traced.outputs.names, output_shapes(expected, _sizes(batches, compared)), strict=True))
    first = [compared[0][index] for index in traced.inputs]
    metadata["inputs"] = describe_tensors(list(inputs), first, list(inputs.values()))
    metadata["outputs"] = describe_tensors(list(outputs), expected[0], list(outputs.values()))
    where, exported = _write(format_name, path, traced, inputs, outputs, metadata)
    difference = largest_difference(
        lambda batch: exported([batch[index] for index in traced.inputs]), original, compared, list(outputs)
    )
    count = sum(batches.num_examples(batch) for batch in batches.batches)
    return [
        *(f"  {kind}  {_line(each)}" for kind in ("inputs", "outputs") for each in metadata[kind]),
        f"compared with {method} {where} on {count:,} test examples: largest difference {difference:.1g}",
    ]


def _write(
    format_name: str,
    path: Path,
    traced: TracedPrediction,
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    metadata: dict[str, Any],
) -> tuple[str, Outputs]:
    """Write the file; returns where it is run for the comparison, and what runs it."""
    if format_name == "torch_export":
        formats.write_torch_export(path, traced, metadata)
        return "in torch", formats.read_torch_export(path)
    formats.write_onnx(path, traced, inputs, outputs, metadata)
    in_onnxruntime = formats.read_onnx(path)
    if in_onnxruntime is None:
        return "in torch, since onnxruntime is not installed,", formats.run_program(traced)
    return "in onnxruntime", in_onnxruntime


def _sizes(batches: Batches, compared: list[list[Tensor]]) -> dict[str, tuple[int, ...]]:
    """The sizes that each named dimension has in the compared batches."""
    return {
        size: tuple(batch[index].shape[dimension] for batch in compared)
        for index, shape in enumerate(batches.shapes)
        for dimension, size in enumerate(shape)
        if isinstance(size, str)
    }


def _line(tensor: dict[str, Any]) -> str:
    return f"{tensor['name']}: {tensor['type']} ({', '.join(map(str, tensor['shape']))})"


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
