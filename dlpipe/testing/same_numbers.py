"""Checks of a model by runs that must end in the same numbers: to the last bit, or to rounding."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from dlpipe.config.prepare import prepare, prepare_stored
from dlpipe.data.in_memory_module import InMemoryDataModule
from dlpipe.errors import RequestError, format_list
from dlpipe.plugins.load_class import load_class
from dlpipe.runs.best_weights import read_weights
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import read_summary
from dlpipe.testing.model_checks import Reference, every_step_runs, options_are_arguments, weights_are_restored
from dlpipe.testing.probes import DrawsNoise, Interrupt
from dlpipe.testing.result import Broken, NotApplicable, check, require
from dlpipe.testing.subject import Subject, broken_if_it_fails, train, with_values, without_figures
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.run import resume
from dlpipe.training.speed.eager import is_close
from dlpipe.training.speed.updates import FusedUpdates

ONE_BY_ONE = {"max_chunk_batches": 1, "callbacks.draws_noise": {"_target_": f"{DrawsNoise.__module__}.DrawsNoise"}}
TWO_PROCESSES = {"trainer.devices": 2, "trainer.strategy": "ddp"}


@check
def same_seed_same_bits(model: Subject) -> Reference:
    """Two runs with the same seed end in the same weights and metrics."""
    reference = every_step_runs(model)
    found = _differences(reference, reference.directory, train(model, options_are_arguments(model), {}))
    require(
        not found,
        f"two runs of {model} with the same seed differ in {format_list(found)}. Draw random numbers only from the "
        "global generators of torch, numpy and Python, or from generators that are attributes of the module: dlpipe "
        "seeds and saves those",
    )
    return reference


@check
def _one_by_one(model: Subject) -> tuple[Reference, Path]:
    """The reference, and a run without chunks, which later runs are compared with: interrupted, chunks are others."""
    reference = same_seed_same_bits(model)
    try:
        return reference, train(model, options_are_arguments(model), ONE_BY_ONE)
    except Broken as error:
        error.check = chunks_same_bits.__name__
        raise


@check
def chunks_same_bits(model: Subject) -> None:
    """Minibatches in chunks give the numbers of one after the other (``max_chunk_batches=1``)."""
    reference, one_by_one = _one_by_one(model)
    found = _differences(reference, reference.directory, one_by_one)
    require(
        not found,
        f"{model} differs in {format_list(found)} from a run with max_chunk_batches=1. Within a chunk, training_step "
        "may read batch_idx, global_step and current_epoch, but no other counts of Lightning's loops; a module that "
        "needs more defines on_train_batch_start, which disables chunks",
    )


@check
def fused_same_numbers(model: Subject) -> None:
    """Fused updates give the numbers of autograd (``fused=false``), to rounding."""
    reference, fused = _one_by_one(model)
    if not any(state["updates"] for state in _states_of(FusedUpdates, reference, fused)):
        raise NotApplicable(f"no update of {model} is fused")
    found = _not_close(reference, fused, train(model, options_are_arguments(model), ONE_BY_ONE | {"fused": False}))
    require(
        not found,
        f"{model} differs in {format_list(found)} from a run with fused=false. The traced training_step reads what "
        "dlpipe cannot watch for changes, such as global variables: make it an attribute of the module, or set "
        "can_be_fused = False on its class",
    )


@check
def resumed_same_bits(model: Subject) -> None:
    """A run that is interrupted in each stage and resumed ends in the numbers of one that is not."""
    weights_are_restored(model)
    reference, whole = _one_by_one(model)
    updates = [read_checkpoint(reference.last_checkpoint(stage.name))["global_step"] for stage in reference.stages]
    if min(updates) < 2:
        raise NotApplicable(f"the short run of {model} makes {min(updates)} update, and cannot be interrupted")
    callback = {"_target_": f"{Interrupt.__module__}.Interrupt", "update": (min(updates) + 1) // 3}
    directory = model.new_directory()
    with contextlib.suppress(StoppedBySignal):
        train(model, options_are_arguments(model), ONE_BY_ONE | {"callbacks.interrupt": callback}, directory)
    for _ in reference.stages:
        with (
            contextlib.suppress(StoppedBySignal),
            broken_if_it_fails(f"the resumption of a run of {model}"),
            without_figures(),
        ):
            resume(prepare_stored(read_config(directory), trust=True, check_data=False))
    found = _differences(reference, whole, directory)
    require(
        not found,
        f"a run of {model} that was interrupted after {callback['update']} updates and resumed differs in "
        f"{format_list(found)} from one that was not. What training changes must be saved: as parameters or buffers, "
        "or by get_extra_state and set_extra_state, or on_save_checkpoint and on_load_checkpoint",
    )


@check
def two_processes_same_numbers(model: Subject) -> None:
    """Two processes with half of each minibatch give the numbers of one with the whole, to rounding."""
    reference, one_by_one = _one_by_one(model)
    job = options_are_arguments(model)
    if reason := _reason_not_equal(reference, one_by_one):
        raise NotApplicable(f"{reason}, so two processes need not equal one")
    half = reference.config.recipe.batch_size and max(1, reference.config.recipe.batch_size // 2)
    try:
        overrides, config = with_values(job, TWO_PROCESSES | {"recipe.batch_size": half})
        prepare(config, overrides, check_data=False)
    except RequestError as error:
        raise NotApplicable(f"two processes are refused: {' '.join(str(error).split())}") from error
    two = train(model, job, TWO_PROCESSES | {"recipe.batch_size": half})
    found = _not_close(reference, train(model, job, {"recipe.batch_size": half and 2 * half}), two)
    require(
        not found,
        f"{model} on two processes differs in {format_list(found)} from one with minibatches of twice the size. The "
        "gradient is the mean over processes: training_step must return the mean over the minibatch's examples, not "
        "their sum",
    )


def _reason_not_equal(reference: Reference, one_by_one: Path) -> str | None:
    """Why two processes cannot give the numbers of one; None if they must."""
    config = reference.config
    if any(state["draws"] for state in _states_of(DrawsNoise, reference, one_by_one)):
        return "each process draws random numbers of its own"
    if any(isinstance(part, _BatchNorm) for stage in reference.stages for part in stage.module.modules()):
        return "each process normalises its own part of a minibatch"
    if not issubclass(load_class("dataset", config.dataset.name), InMemoryDataModule):
        return f"Lightning divides the data of dataset {config.dataset.name!r}, in another order"
    if config.dataset.get("batch_size") != config.recipe.batch_size:
        return "dataset.batch_size is not the recipe's"
    return None


def _states_of(callback: type[Any], reference: Reference, directory: Path) -> list[dict[str, Any]]:
    """The saved states of a callback, of all stages."""
    paths = [reference.last_checkpoint(stage.name, directory) for stage in reference.stages]
    return [read_checkpoint(path)["callbacks"][callback.__qualname__] for path in paths]


def _differences(reference: Reference, one: Path, other: Path) -> list[str]:
    """The names of weights and metrics that are not the same in two runs."""
    found = [name for name, _, first, second in _weights(reference, one, other) if not equal(first, second)]
    summaries = [read_summary(directory) for directory in (one, other)]
    return found + [name for name in ("best", "test") if not equal(*(summary.get(name) for summary in summaries))]


def _not_close(reference: Reference, expected: Path, actual: Path) -> list[str]:
    """The names of weights that differ by more than rounding."""
    return [
        name
        for name, start, first, second in _weights(reference, expected, actual)
        if isinstance(first, torch.Tensor) and first.is_floating_point()
        if not is_close(torch.zeros_like(first) if start is None else start, first, second)
    ]


def _weights(reference: Reference, one: Path, other: Path) -> Iterator[tuple[str, Any, Any, Any]]:
    """The name of each weight, its value before training, and at the end of two runs."""
    for stage in reference.stages:
        first, second = (read_weights(reference.last_checkpoint(stage.name, run)) for run in (one, other))
        for name, value in first.items():
            yield f"{stage.name}/{name}".strip("/"), reference.weights_before[stage.name].get(name), value, second[name]


def equal(first: Any, second: Any) -> bool:
    """Whether two trees of tensors and plain values are the same to the last bit; NaN is NaN."""
    pairs = [tree_leaves(tree) for tree in (first, second)]
    return len(pairs[0]) == len(pairs[1]) and all(map(_equal_leaves, *pairs))


def _equal_leaves(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.shape == second.shape and torch.equal(first.nan_to_num(), second.nan_to_num())
    return bool(first == second) or (first != first and second != second)
