"""Check of what a model predicts for the test set."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from dlpipe.config.stored_run import StoredRun
from dlpipe.runs.directory import read_summary
from dlpipe.runs.predictions import examples_of
from dlpipe.testing.model_checks import weights_are_restored
from dlpipe.testing.result import NotApplicable, check, require
from dlpipe.testing.subject import Subject, broken_if_it_fails
from dlpipe.training.callbacks.console_reporter import num_examples

ROUNDING = 1e-4  # in a batch of another size, sums are in another order


@check
def predictions_are_of_examples(model: Subject) -> None:
    """Each test example has a prediction, which depends on no other; the most probable classes give ``test/error``."""
    run = weights_are_restored(model)
    batches = _test_batches(run)
    with broken_if_it_fails(f"predict_step of {model}"):
        predictions = [_predict(run, batch) for batch in batches]
        rows = [list(examples_of(prediction)) for prediction in predictions]
        rows_of_half = list(examples_of(_predict(run, _first_half(batches[0]))))
    for batch, found in zip(batches, rows, strict=True):
        require(
            len(found) == num_examples(batch),
            f"predict_step of {model} returned {len(found)} predictions for {num_examples(batch)} examples; return "
            "one for each, such as a tensor (examples, ...)",
        )
    require(
        _agree(rows_of_half, rows[0]),
        f"predict_step of {model} predicts other values for half of a batch than for the same examples in all of it; "
        "in evaluation mode a prediction must depend on its example alone",
    )
    reported = read_summary(run.directory)["test"].get("test/error")
    if reported is not None and (error := _error(run, predictions, batches)) is not None:
        require(
            math.isclose(error, reported, abs_tol=1e-6),
            f"the most probable classes of predict_step of {model} are wrong in {100 * error:g} % of the test set, but "
            f"test/error is {100 * reported:g} %; both must be of the same outputs, in evaluation mode",
        )


def _test_batches(run: StoredRun) -> list[Any]:
    if not is_overridden("predict_step", run.model, pl.LightningModule):
        raise NotApplicable(f"{type(run.model).__name__} has no predict_step")
    data = run.data()
    if not is_overridden("test_dataloader", data, pl.LightningDataModule):
        raise NotApplicable(f"{type(data).__name__} has no test data")
    loader = data.test_dataloader()
    if isinstance(loader, (list, tuple, dict)):
        raise NotApplicable(f"{type(data).__name__} has several test sets")
    return list(loader)


def _predict(run: StoredRun, batch: Any) -> Any:
    with run.inference():
        return run.model.predict_step(run.trainer.precision_plugin.convert_input(batch), 0)


def _first_half(batch: Any) -> Any:
    """The first half of a batch's examples; the batch itself, if it is more than tensors with a row for each."""
    count = num_examples(batch)
    if not all(isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == count for leaf in tree_leaves(batch)):
        return batch
    return tree_map(lambda leaf: leaf[: max(1, count // 2)], batch)


def _agree(first: Any, second: Any) -> bool:
    """Whether two plain predictions are equal to rounding; of two sequences of different lengths, where both are."""
    if isinstance(first, list) and isinstance(second, list):
        return all(map(_agree, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_agree(first[key], second[key]) for key in first)
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING) or first != first
    return bool(first == second)


def _error(run: StoredRun, predictions: list[Any], batches: list[Any]) -> float | None:
    """The share of wrong labels, where predictions are probabilities (examples, classes); None for other predictions.

    Also None if not all of the test set was tested.
    """
    if run.config.trainer.get("limit_test_batches") is not None:
        return None
    wrong: list[Tensor] = []
    for prediction, batch in zip(predictions, batches, strict=True):
        labels: Any = batch[1] if isinstance(batch, (list, tuple)) and len(batch) > 1 else None
        is_label = isinstance(labels, Tensor) and labels.ndim == 1 and not labels.is_floating_point()
        if not (is_label and isinstance(prediction, Tensor) and prediction.ndim == 2 and prediction.shape[1] > 1):
            return None
        wrong.append(prediction.argmax(1).ne(labels))
    return float(torch.cat(wrong).double().mean())
