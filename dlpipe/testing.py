"""The plugin contract as a test, for authors of plugins.

from dlpipe.testing import check_model

def test_softmax_keeps_the_plugin_contract():
    check_model("softmax")
"""

import copy
import csv
import tempfile
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, open_dict

from dlpipe.config import stored_run
from dlpipe.config.checks import config_checks
from dlpipe.config.checks.constructor import signature
from dlpipe.config.prepare import prepare_jobs
from dlpipe.errors import DlpipeError, RequestError, format_list
from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class
from dlpipe.runs import directory as run_directory
from dlpipe.runs.best_weights import read_weights
from dlpipe.stages import stages_of
from dlpipe.training.build import options_of
from dlpipe.training.callbacks.monitor import DEFAULT_MONITORS
from dlpipe.training.prepared import Prepared
from dlpipe.training.run import run

SHORT = ("recipe.max_epochs=1", "trainer.limit_train_batches=5")


def check_model(name: str, *overrides: str) -> None:
    """Train a model for five updates in a real run, and check that it keeps the plugin contract.

    Its default config passes the checks before a run, and its keys are the constructor's arguments; the module is an
    instance of the registered class; the updates change its state_dict; if it validates, it logs the monitored
    metric; the best checkpoint holds plain tensors, and `dlpipe.load` restores the same weights.

    Args:
        name: the model's name, as in ``model=NAME``.
        overrides: as on the command line, such as ``dataset=mnist``; they also override the five updates.

    Raises:
        AssertionError: the model breaks the contract; the message says how, and what to do.
    """
    prepared = _prepared(name, overrides)
    _check_yaml_keys(name, prepared.config)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepared.relocated(str(Path(folder) / "run"))
        config = prepared.config
        before = {stage.name: copy.deepcopy(stage.module.state_dict()) for stage in prepared.stages}
        _train(name, prepared)
        _check_learnt(name, before, Path(config.output_dir))
        _check_monitored(name, config)
        _check_reloads(name, Path(config.output_dir))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _prepared(name: str, overrides: tuple[str, ...]) -> Prepared:
    try:
        jobs = config_checks.check([f"model={name}", *SHORT, *overrides], multirun=False, output_key="run")
        for _, config in jobs:
            for stage in config.recipe.stages.values():
                with open_dict(stage):
                    stage.max_epochs = 1
        return prepare_jobs(jobs)
    except RequestError as error:
        raise AssertionError(f"model {name!r} does not pass the checks before a run:\n{error}") from error


def _check_yaml_keys(name: str, cfg: DictConfig) -> None:
    path = registry.yaml_of(registry.find("model", name))
    missing = [key for key in signature(load_class("model", name)).parameters if key not in options_of(cfg.model)]
    _require(
        path is None or not missing,
        f"{path} has no {format_list(missing)}: its keys are the constructor's arguments, no more and no less",
    )


def _train(name: str, prepared: Prepared) -> None:
    try:
        run(prepared)
    except Exception as error:  # the plugin's code may raise anything
        message = str(error) if isinstance(error, DlpipeError) else f"{type(error).__name__}: {error}"
        raise AssertionError(f"the run of model {name!r} failed: {message}") from error


def _check_learnt(name: str, before: dict[str, dict[str, torch.Tensor]], directory: Path) -> None:
    for stage, weights in before.items():
        after = read_weights(run_directory.best_of(directory, stage).with_name("last.ckpt"))
        _require(
            any(key not in weights or not torch.equal(weights[key], value) for key, value in after.items()),
            f"model {name!r} learnt nothing{f' in stage {stage}' if stage else ''}: training did not change its "
            "state_dict; training_step must return the loss, which must depend on the module's parameters",
        )


def _check_monitored(name: str, cfg: DictConfig) -> None:
    if not _validates(name, cfg):
        return
    logged = _logged(Path(cfg.output_dir) / run_directory.METRICS)
    monitors = [cfg.recipe.monitor] if cfg.recipe.monitor else DEFAULT_MONITORS
    _require(
        any(metric in logged for metric in monitors),
        f"model {name!r} has a validation_step but logged no {' and no '.join(monitors)}, so no epoch can be the best; "
        f"it logged {format_list(sorted(logged))}. Log one, or set recipe.monitor",
    )


def _validates(name: str, cfg: DictConfig) -> bool:
    model, dataset = load_class("model", name), load_class("dataset", cfg.dataset.name)
    has_step = model.validation_step is not pl.LightningModule.validation_step
    return has_step and dataset.val_dataloader is not pl.LightningDataModule.val_dataloader


def _logged(path: Path) -> dict[str, float]:
    """The last value of every metric in metrics.csv."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: float(value) for row in rows for key, value in row.items() if value and key not in ("step", "epoch")}


def _check_reloads(name: str, directory: Path) -> None:
    try:
        loaded = stored_run.load(directory)
    except Exception as error:  # torch and the plugin's constructor raise many types
        raise AssertionError(
            f"dlpipe.load cannot rebuild model {name!r} from its config and best checkpoint: {error}; the constructor "
            "alone must create everything in the state_dict"
        ) from error
    registered = load_class("model", name)
    _require(
        type(loaded) is registered,
        f"model {name!r} is a {type(loaded).__name__}, but its entry point names {registered.__name__}",
    )
    for stage in stages_of(loaded):
        state = stage.module.state_dict()
        saved = read_weights(run_directory.best_of(directory, stage.name))
        changed = [key for key, value in saved.items() if not torch.equal(state[key], value)]
        message = f"dlpipe.load does not restore the weights of model {name!r} from its best checkpoint"
        _require(not changed, f"{message}: {format_list(changed)}")
