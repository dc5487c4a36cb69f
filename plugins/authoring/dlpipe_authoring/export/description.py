"""What stands in an exported file beside the weights, so that an input can be prepared without dlpipe."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

import dlpipe
from dlpipe.data import Ragged, SequenceDataModule, TensorDataModule
from dlpipe_authoring.export.batches import Shape


def describe_run(run: dlpipe.Run) -> dict[str, Any]:
    """Which model of which run it is."""
    config = run.config
    return {
        "dlpipe_version": dlpipe.__version__,
        "torch_version": torch.__version__,
        "run": run.directory.name,
        "model": config.model.name,
        "model_class": _path(run.model),
        "dataset": config.dataset.name,
        "dataset_class": _path(run.data),
        "seed": config.seed,
    }


def describe_tensors(names: Sequence[str], tensors: Sequence[Tensor], shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    """Name, type and shape of each input or output; a name in a shape stands for any size."""
    return [
        {"name": name, "type": str(tensor.dtype).removeprefix("torch."), "shape": list(shape)}
        for name, tensor, shape in zip(names, tensors, shapes, strict=True)
    ]


def describe_preparation(model: torch.nn.Module, data: LightningDataModule) -> dict[str, Any]:
    """How an input is made, and what the classes are called; only what dataset and model say.

    The classes are the ``class_names`` of the model or the dataset, or the dataset's ``labels``; the words are those of
    its ``vocabulary``; ``columns`` are those of a table, with their means or categories.
    """
    found: dict[str, Any] = {"dataset_description": inspect.getdoc(type(data)) or ""}
    if isinstance(data, TensorDataModule):
        found |= _pictures(data)
    elif isinstance(data, SequenceDataModule):
        found |= _sequences(data)
    named = [getattr(owner, name, None) for owner in (model, data) for name in ("class_names", "labels")]
    if names := next((names for names in named if _are_texts(names)), None):
        found["class_names"] = list(names)
    if _are_texts(columns := getattr(data, "columns", None)):
        found["columns"] = list(columns)
    words = getattr(getattr(data, "vocabulary", None), "words", None)
    if _are_texts(words):
        found["vocabulary"] = list(words)
        found["vocabulary_rule"] = (
            "the number of a word is its position, from 0; a word that is not in it is <UNK>, if that is"
        )
    return found


def _pictures(data: TensorDataModule) -> dict[str, Any]:
    """The form of a picture, and the range of values for any tensors."""
    x = data.splits["test"].x
    is_bytes = x.dtype == torch.uint8
    found: dict[str, Any] = {}
    if not x.is_complex() and x.numel():
        scale = 256 if is_bytes else 1
        found["range"] = [float(x.min()) / scale, float(x.max()) / scale]
    if data.image_shape is None:
        return found
    channels, height, width = data.image_shape
    found["image_shape"] = [channels, height, width]
    found["pixels"] = "value / 256 of the pixel's 0 to 255"
    if channels == 1:
        border = torch.ones(height, width, dtype=torch.bool)
        border[1:-1, 1:-1] = False
        is_light = float(x[:100].reshape(-1, height, width)[:, border].double().mean()) > (128 if is_bytes else 0.5)
        found["pixels"] += ", row by row from the top left; " + ("dark on a light" if is_light else "light on a dark")
        found["pixels"] += " ground"
    return found


def _sequences(data: SequenceDataModule) -> dict[str, Any]:
    x = data.splits["test"].x
    assert isinstance(x, Ragged)
    rule = "shorter sequences are padded at their end with padding_value; lengths has the steps of each without it"
    return {"padding_value": x.padding_value, "padding_rule": rule}


def _are_texts(value: Any) -> TypeGuard[Sequence[str]]:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(item, str) for item in value)


def _path(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def output_shapes(outputs: Sequence[Sequence[Tensor]], sizes: Mapping[str, tuple[int, ...]]) -> list[Shape]:
    """The shape of each output, with the names of the inputs' dimensions that it follows.

    Args:
        outputs: of several batches, each in the same order.
        sizes: the size that each named dimension has in these batches.
    """
    names: dict[tuple[int, ...], str] = {}
    for name, found in sizes.items():
        names.setdefault(found, name)
    shapes = []
    for tensors in zip(*outputs, strict=True):
        dimensions = zip(*(tensor.shape for tensor in tensors), strict=True)
        shapes.append(tuple(names.get(found) or _only(found) for found in dimensions))
    return shapes


def _only(sizes: tuple[int, ...]) -> int | str:
    return sizes[0] if len(set(sizes)) == 1 else "any"
