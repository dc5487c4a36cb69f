"""Checks of a model by one short run with its default config, and by its checkpoint."""

import copy
import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from dlpipe.config.checks import config_checks
from dlpipe.config.checks.config_checks import Job
from dlpipe.config.checks.constructor import signature
from dlpipe.config.prepare import prepare, prepare_jobs
from dlpipe.config.stored_run import StoredRun, open_run
from dlpipe.errors import DivergedError, RequestError, format_list
from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class
from dlpipe.runs import directory as run_directory
from dlpipe.runs.best_weights import read_weights
from dlpipe.runs.directory import read_summary
from dlpipe.stages import Stage, stages_of
from dlpipe.testing.class_checks import built_on_pytorch_lightning
from dlpipe.testing.result import Broken, NotApplicable, check, require
from dlpipe.testing.subject import SHORT, Subject, broken_if_it_fails, train, with_values
from dlpipe.training.build import options_of
from dlpipe.training.callbacks.monitor import DEFAULT_MONITORS
from dlpipe.training.run import run

UPDATES = 20  # on one minibatch, in which its loss falls


class Reference(NamedTuple):
    """The short run that other runs are compared with: its config, directory, stages, and weights before training."""

    config: DictConfig
    directory: Path
    stages: list[Stage]
    weights_before: dict[str, dict[str, Any]]

    def last_checkpoint(self, stage: str, directory: Path | None = None) -> Path:
        """The last checkpoint of a stage in this run's directory, or in another one."""
        return run_directory.best_of(directory or self.directory, stage).with_name("last.ckpt")


@check
def options_are_arguments(model: Subject) -> Job:
    """The default config passes all checks before a run, and the YAML's keys are the constructor's arguments."""
    cls = built_on_pytorch_lightning(model)
    try:
        (job,) = config_checks.check(
            [f"model={model.name}", *SHORT, *model.overrides], multirun=False, output_key="run"
        )
        job = with_values(job, {"recipe.max_epochs": job[1].recipe.max_epochs})
        prepare(job[1], job[0], check_data=False)
    except RequestError as error:
        raise Broken(f"{model} does not pass the checks before a run:\n{error}") from error
    require_all_keys(model, cls, job[1].model)
    return job


def require_all_keys(subject: Subject, cls: type[Any], node: DictConfig) -> None:
    """Require that the YAML, if there is one, has every argument of the constructor."""
    path = registry.yaml_of(subject.entry)
    missing = [key for key in signature(cls).parameters if key not in options_of(node)]
    require(
        path is None or not missing,
        f"{path} has no {format_list(missing)}: its keys are the constructor's arguments, no more and no less",
    )


@check
def every_step_runs(model: Subject) -> Reference:
    """One minibatch goes through training, validation and a checkpoint; then a short run through the test too."""
    overrides, config = options_are_arguments(model)
    try:
        prepared = prepare_jobs([(overrides, config)])
    except RequestError as error:
        raise Broken(f"{model} does not pass the checks before a run:\n{error}") from error
    prepared = prepared.relocated(str(model.new_directory()))
    before = {stage.name: copy.deepcopy(stage.module.state_dict()) for stage in prepared.stages}
    try:
        with broken_if_it_fails(f"the run of {model}"):
            run(prepared)
    except Broken as error:
        error.check = loss_falls.__name__ if isinstance(error.__cause__, DivergedError) else ""
        raise
    return Reference(prepared.config, Path(prepared.config.output_dir), prepared.selected_stages, before)


@check
def training_changes_the_weights(model: Subject) -> Reference:
    """The updates change the state_dict of each stage."""
    reference = every_step_runs(model)
    for stage in reference.stages:
        weights = reference.weights_before[stage.name]
        after = read_weights(reference.last_checkpoint(stage.name))
        require(
            any(key not in weights or not torch.equal(weights[key], value) for key, value in after.items()),
            f"{model} learnt nothing{f' in stage {stage.name}' if stage.name else ''}: training did not change its "
            "state_dict; training_step must return the loss, which must depend on the module's parameters",
        )
    return reference


@check
def loss_falls(model: Subject) -> None:
    """The loss of one minibatch is finite, and falls when it is trained on again and again.

    Where the recipe names a metric to monitor, the loss need not be what is minimised: it is enough that the metric
    gets better.
    """
    reference = training_changes_the_weights(model)
    job = options_are_arguments(model)
    for stage in reference.stages:
        if not any(parameter.requires_grad for parameter in stage.module.parameters()):
            raise NotApplicable(f"{model} has no parameters to optimize")
        if not stage.module.automatic_optimization:
            raise NotApplicable(f"{model} optimizes by hand, and its losses need not fall")
    limits = {"trainer.limit_train_batches": 1, "trainer.limit_val_batches": 2, "trainer.limit_test_batches": 0}
    lengths = {"recipe.max_epochs": UPDATES, "recipe.patience": None, "recipe.shuffle": False}
    columns = read_metrics(train(model, job, limits | lengths))
    for stage in reference.stages:
        losses = columns.get(f"{stage.name}/loss" if stage.name else "train/loss", [])
        monitored = columns.get(f"{stage.name}/{job[1].recipe.monitor}".strip("/"), [])
        sign = -1 if job[1].recipe.monitor_mode == "max" else 1
        require(
            _falls(losses) or _falls([sign * value for value in monitored]),
            f"the loss of {model} does not fall{f' in stage {stage.name}' if stage.name else ''} when it is trained "
            f"{UPDATES} times on one minibatch: {_at_both_ends(losses)}. training_step must return what is to be "
            "minimised, and the recipe's lr must suit it. If the loss is not what is minimised, name a metric that "
            "gets better in recipe.monitor",
        )


def _falls(values: list[float]) -> bool:
    return bool(values) and fmean(values[-3:]) < fmean(values[:3])


def _at_both_ends(losses: list[float]) -> str:
    if not losses:
        return "none was returned"
    return f"the mean of the first three is {fmean(losses[:3]):g}, that of the last three {fmean(losses[-3:]):g}"


@check
def monitored_metric_is_logged(model: Subject) -> None:
    """If the model is validated, it logs the metric by which the best weights are chosen."""
    reference = every_step_runs(model)
    config = reference.config
    if not _validates(model, config):
        return
    logged = read_metrics(reference.directory)
    monitors = [config.recipe.monitor] if config.recipe.monitor else DEFAULT_MONITORS
    require(
        any(_is_logged(metric, logged, reference) for metric in monitors),
        f"{model} has a validation_step but logged no {' and no '.join(monitors)}, so no epoch can be the best; "
        f"it logged {format_list(sorted(logged))}. Log one, or set recipe.monitor",
    )


def _is_logged(metric: str, logged: Iterable[str], reference: Reference) -> bool:
    """Whether a metric is among the logged ones, under its name or that of a stage."""
    return any(f"{stage}/{metric}".strip("/") in logged for stage in ["", *(s.name for s in reference.stages)])


def _validates(model: Subject, config: DictConfig) -> bool:
    cls, dataset = built_on_pytorch_lightning(model), load_class("dataset", config.dataset.name)
    has_step = cls.validation_step is not pl.LightningModule.validation_step
    return has_step and dataset.val_dataloader is not pl.LightningDataModule.val_dataloader


def read_metrics(directory: Path) -> dict[str, list[float]]:
    """The values of every metric in metrics.csv."""
    columns: dict[str, list[float]] = {}
    with (directory / run_directory.METRICS).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                if value and key not in ("step", "epoch"):
                    columns.setdefault(key, []).append(float(value))
    return columns


@check
def targets_are_logged(model: Subject) -> None:
    """Each target of the recipe names a metric that is logged, and its source."""
    _, config = options_are_arguments(model)
    targets = config.recipe.targets
    if not targets:
        raise NotApplicable(f"the recipe of {model} has no targets")
    reference = every_step_runs(model)
    logged = {*read_metrics(reference.directory), *read_summary(reference.directory)["test"]}
    for target in targets:
        where = f"the target of {model} on dataset={target.dataset}"
        require(
            _is_logged(target.metric, logged, reference),
            f"{where} is of {target.metric}, which was not logged; logged: {format_list(sorted(logged))}",
        )
        require(bool(target.source.strip()), f"{where} has no source; say where {target.value} was published")


@check
def weights_are_restored(model: Subject) -> StoredRun:
    """`dlpipe.load` gives an instance of the registered class with the weights of the best checkpoint."""
    reference = every_step_runs(model)
    try:
        stored = open_run(reference.directory)
    except Exception as error:  # torch and the plugin's constructor raise many types
        raise Broken(
            f"dlpipe.load cannot rebuild {model} from its config and best checkpoint: {error}; the constructor "
            "alone must create everything in the state_dict"
        ) from error
    registered = built_on_pytorch_lightning(model)
    require(
        type(stored.model) is registered,
        f"{model} is a {type(stored.model).__name__}, but its entry point names {registered.__name__}",
    )
    for stage in stages_of(stored.model):
        state = stage.module.state_dict()
        saved = read_weights(run_directory.best_of(reference.directory, stage.name))
        changed = [key for key, value in saved.items() if not torch.equal(state[key], value)]
        message = f"dlpipe.load does not restore the weights of {model} from its best checkpoint"
        require(not changed, f"{message}: {format_list(changed)}")
    return stored
