"""Checks of a dataset: its options, its splits, and the order of its examples."""

import math
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils._pytree import tree_leaves

from dlpipe.config.checks import config_checks
from dlpipe.config.checks.constructor import constructor_problems
from dlpipe.data.files import DownloadNeededError, without_downloads
from dlpipe.data.split_cache import clear_split_cache
from dlpipe.errors import DataError, RequestError, refuse
from dlpipe.plugins import registry
from dlpipe.testing.class_checks import built_on_pytorch_lightning
from dlpipe.testing.model_checks import require_all_keys
from dlpipe.testing.result import Broken, NotApplicable, check, require
from dlpipe.testing.same_numbers import equal
from dlpipe.testing.subject import Subject, broken_if_it_fails
from dlpipe.training.build import build_dataset, options_of
from dlpipe.training.callbacks.console_reporter import num_examples
from dlpipe.training.resume.rng import begin_epoch

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
MINIBATCHES = 20  # of an epoch, whose order is compared


@check
def dataset_options_are_arguments(dataset: Subject) -> DictConfig:
    """A config with the dataset passes the checks, and its YAML's keys are the constructor's arguments."""
    cls = built_on_pytorch_lightning(dataset)
    node = _composed(dataset).dataset
    try:
        refuse(constructor_problems(cls, options_of(node), "dataset"))
    except RequestError as error:
        raise Broken(f"{dataset} does not pass the checks before a run:\n{error}") from error
    require_all_keys(dataset, cls, node)
    return node  # type: ignore[no-any-return]  # of a config


def _composed(dataset: Subject) -> DictConfig:
    """A config with the dataset and a model whose options it allows: if possible, one of the same plugin."""
    own, models = dataset.entry.distribution, registry.available("model")
    errors = []
    for model in sorted(models, key=lambda entry: entry.distribution != own):
        request = [f"model={model.qualified_name}", f"dataset={dataset.name}", *dataset.overrides]
        try:
            ((_, config),) = config_checks.check(request, multirun=False, output_key=None)
        except RequestError as error:
            errors.append(f"with model={model.name}:\n{error}")
        else:
            return config
    if not models:
        raise NotApplicable(f"a config with {dataset} needs a model too, and none is installed")
    raise Broken(f"{dataset} does not pass the checks before a run, {errors[0]}")


@check
def splits_are_as_stated(dataset: Subject) -> DictConfig:
    """Each split has examples, of the shape and with the labels that the config states."""
    node = dataset_options_are_arguments(dataset)
    data = _loaded(dataset, node)
    require(
        is_overridden("train_dataloader", data, pl.LightningDataModule),
        f"{dataset} has no train_dataloader; a LightningDataModule needs one",
    )
    for name in LOADERS:
        for batch in _first_batches(data, name):
            require(
                batch is not None and num_examples(batch) > 0, f"{name} of {dataset} gives nothing: its split is empty"
            )
            _check_shape(dataset, node, name, batch)
    return node


def _loaded(dataset: Subject, node: DictConfig) -> pl.LightningDataModule:
    clear_split_cache()
    with broken_if_it_fails(f"loading {dataset}"):
        try:
            data = build_dataset(node)
            with without_downloads():
                data.prepare_data()
        except (DownloadNeededError, DataError) as error:
            raise NotApplicable(f"the data is not here: {error}") from error
        data.setup("fit")
        data.setup("test")
    return data


def _first_batches(data: pl.LightningDataModule, name: str) -> Iterator[Any]:
    """The first batch of each loader that a hook gives; None for a loader without any."""
    if is_overridden(name, data, pl.LightningDataModule):
        loaders = getattr(data, name)()
        for loader in _list(loaders):
            yield next(iter(loader), None)


def _list(loaders: Any) -> list[Any]:
    return list(loaders.values()) if isinstance(loaders, dict) else loaders if isinstance(loaders, list) else [loaders]


def _check_shape(dataset: Subject, node: DictConfig, name: str, batch: Any) -> None:
    """Compare the first tensor of a batch with num_features and image_shape, the second with num_classes."""
    tensors = [leaf for leaf in tree_leaves(batch) if isinstance(leaf, Tensor)]
    shape = list(tensors[0].shape[1:]) if tensors else []
    stated = {"num_features": node.get("num_features"), "image_shape": node.get("image_shape")}
    for key, value in stated.items():
        size = math.prod(value) if isinstance(value, list) or hasattr(value, "__iter__") else value
        require(
            value is None or math.prod(shape) == size,
            f"{name} of {dataset} gives examples of shape {shape}, but dataset.{key}={value}; set {key} to match, or "
            "to null if it means nothing",
        )
    num_classes = node.get("num_classes")
    if num_classes is None or len(tensors) < 2 or tensors[1].ndim != 1:
        return
    least, largest = tensors[1].min().item(), tensors[1].max().item()
    require(
        not tensors[1].is_floating_point() and 0 <= least <= largest < num_classes,
        f"{name} of {dataset} gives labels from {least} to {largest}, but "
        f"dataset.num_classes={num_classes} allows 0 to {num_classes - 1}",
    )


@check
def same_seed_same_order(dataset: Subject) -> None:
    """Built twice, the dataset gives the same minibatches in each epoch."""
    node = splits_are_as_stated(dataset)
    first, second = (_loaded(dataset, node) for _ in range(2))
    for epoch in range(2):
        require(
            equal(_epoch(first, epoch), _epoch(second, epoch)),
            f"{dataset}, built twice, gives other minibatches in epoch {epoch + 1}. Draw random numbers from "
            "generators seeded with an argument, such as seed, or from a DataLoader's own generator",
        )


def _epoch(data: pl.LightningDataModule, epoch: int) -> list[Any]:
    """The first minibatches of an epoch, seeded as in a run."""
    loaders = _list(data.train_dataloader())
    begin_epoch(1234, epoch, 0, loaders)
    for loader in loaders:
        if set_epoch := getattr(getattr(loader, "sampler", None), "set_epoch", None):
            set_epoch(epoch)
    return [batch for loader in loaders for batch, _ in zip(loader, range(MINIBATCHES), strict=False)]
