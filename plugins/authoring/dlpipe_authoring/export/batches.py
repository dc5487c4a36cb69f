"""The test batches that a model is exported for: the name, type and shape of each input."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

from dlpipe import DlpipeError
from dlpipe.data import SequenceBatch, TensorDataModule
from dlpipe_authoring.export.tensors import Structure, to_dtype

COMPARED = 1000  # examples of the test set whose predictions are compared
BATCH, LENGTH = "batch", "length"
Shape = tuple[int | str, ...]  # a name for a dimension of any size


@dataclass(frozen=True)
class Batches:
    """Batches of the test set as lists of tensors, in the order of ``structure.names``.

    Args:
        structure: of a batch.
        batches: enough of them for `COMPARED` examples.
        shapes: the shape of each tensor of a batch.
    """

    structure: Structure
    batches: list[list[Tensor]]
    shapes: list[Shape]

    def example(self) -> list[Tensor]:
        """The first two examples of the longest batch: torch.export takes a size of 0 or 1 for a constant."""
        longest = max(self.batches, key=lambda batch: sum(tensor[:1].numel() for tensor in batch if tensor.ndim))
        return self._examples(longest, [0, min(1, self.num_examples(longest) - 1)])

    def first_alone(self) -> list[Tensor]:
        """A batch of one example."""
        return self._examples(self.batches[0], [0])

    def num_examples(self, batch: Sequence[Tensor]) -> int:
        """The size of a batch."""
        return next(len(tensor) for tensor, shape in zip(batch, self.shapes, strict=True) if shape[:1] == (BATCH,))

    def _examples(self, batch: Sequence[Tensor], rows: list[int]) -> list[Tensor]:
        pairs = zip(batch, self.shapes, strict=True)
        return [tensor[rows] if shape[:1] == (BATCH,) else tensor for tensor, shape in pairs]


def test_batches(data: LightningDataModule, name: str, dtype: torch.dtype) -> Batches:
    """The first batches of the test set.

    Args:
        data: set up for testing.
        name: of the dataset, for messages.
        dtype: of the model's weights, in which its inputs are.

    Raises:
        DlpipeError: there are no batches, or they are not containers of tensors with the examples in a dimension.
    """
    what = f"a batch of dataset {name!r}"
    chosen: list[Any] = []
    for batch in _loader(data, name):
        chosen.append(batch)
        if len(chosen) > 1 and sum(_size(each) for each in chosen) >= COMPARED:
            break
    if not chosen:
        raise DlpipeError(f"{what} cannot be described: there is no test batch")
    structure = Structure(chosen[0], ("x", "y"), what)
    batches = [to_dtype(structure.flatten(batch), dtype) for batch in chosen]
    shapes = _shapes(batches, isinstance(chosen[0], SequenceBatch))
    if not any(shape[:1] == (BATCH,) for shape in shapes):
        raise DlpipeError(f"{what} cannot be described: no tensor in it has a dimension of the examples")
    return Batches(structure, batches, shapes)


def _loader(data: LightningDataModule, name: str) -> Iterable[Any]:
    """The DataLoader of the test set that `predict` takes; the first of several."""
    if isinstance(data, TensorDataModule):
        data.eval_drop_last = False
    hooks = ("predict_dataloader", "test_dataloader")
    hook = next((hook for hook in hooks if is_overridden(hook, data, LightningDataModule)), None)
    if hook is None:
        raise DlpipeError(f"dataset {name!r} has no predict_dataloader and no test_dataloader, which give the inputs")
    loader = getattr(data, hook)()
    if isinstance(loader, dict):
        loader = list(loader.values())
    first: Iterable[Any] = next(iter(loader), ()) if isinstance(loader, (list, tuple)) else loader
    return first


def _size(batch: Any) -> int:
    """The examples of a batch of any structure, which may not be one yet."""
    return max((len(leaf) for leaf in _tensors(batch) if leaf.ndim), default=0)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _shapes(batches: list[list[Tensor]], are_sequences: bool) -> list[Shape]:
    """The shapes of a batch's tensors: sizes that differ from batch to batch, and those of the examples, are names."""
    num_examples = [next((len(tensor) for tensor in batch if tensor.ndim), 0) for batch in batches]
    names: dict[tuple[int, ...], str] = {}
    shapes = []
    for index, tensor in enumerate(batches[0]):
        shape: list[int | str] = []
        for dimension in range(tensor.ndim):
            sizes = tuple(batch[index].shape[dimension] for batch in batches)
            if dimension == 0 and list(sizes) == num_examples:
                shape.append(BATCH)
            elif len(set(sizes)) > 1 or (are_sequences and dimension == 1 and index < 2):
                shape.append(names.setdefault(sizes, f"{LENGTH}_{len(names) + 1}" if names else LENGTH))
            else:
                shape.append(sizes[0])
        shapes.append(tuple(shape))
    return shapes
