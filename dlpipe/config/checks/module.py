"""Checks of the instantiated model: what Lightning and its stages require, and the optimizer of each stage."""

from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe.config.checks.optimizer import built_problems
from dlpipe.data import TensorDataModule
from dlpipe.errors import DlpipeError, PluginError, Problem
from dlpipe.plugins.load_class import load_class
from dlpipe.stages import Stage, check_stages
from dlpipe.training.prepared import Prepared
from dlpipe.training.stages.init_from import check_start


def module_problems(prepared: Prepared, is_stored: bool) -> list[Problem]:
    """Problems with the model, its stages and their initial weights; if there are none, with their optimizers.

    A run that ``is_stored`` has its own copy of the weights from ``init_from``.
    """
    config, model = prepared.config, prepared.model
    try:
        check_stages(model, config.stages, config.recipe.stages)
        for stage in prepared.selected_stages:
            _check_supports_significance(stage, prepared.stage_config(stage))
        if config.init_from and not is_stored:
            check_start(config, model)
    except DlpipeError as error:
        return [Problem("", str(error))]
    except (Exception, SystemExit) as error:  # the model's code may raise anything
        return [Problem(f"model={config.model.name}", f"{type(error).__name__}: {error}")]
    problems: list[Problem] = []
    for stage in prepared.selected_stages:
        problems += _trainable_problems(stage.module, config, stage.name)
        problems += built_problems(stage.module, prepared.stage_config(stage))
        if stage.encode and not issubclass(load_class("dataset", config.dataset.name), TensorDataModule):
            message = f"stage {stage.name} trains on an encoding of it, which only a TensorDataModule supports"
            problems.append(Problem(f"dataset={config.dataset.name}", message))
    return problems


def _trainable_problems(module: pl.LightningModule, config: Any, stage: str) -> list[Problem]:
    if is_overridden("training_step", module, pl.LightningModule):
        return []
    name = f"{config.model.name}, stage {stage}" if stage else config.model.name
    message = f"model {name!r} ({type(module).__name__}) has no training_step; Lightning needs one"
    return [Problem(f"model={config.model.name}", message) if stage else Problem("", message)]


def _check_supports_significance(stage: Stage, config: DictConfig) -> None:
    """Refuse significance tests of a stage without predictions.

    Raises:
        PluginError: ``recipe.significance`` is set and the stage's module has no ``predict_step``.
    """
    significance = config.recipe.significance
    if significance is None or is_overridden("predict_step", stage.module, pl.LightningModule):
        return
    owner = f"stage {stage.name} of model" if stage.name else "model"
    raise PluginError(
        f"recipe.significance={significance} needs class probabilities, and {owner} {config.model.name!r} has no "
        "predict_step; set it to null"
    )
