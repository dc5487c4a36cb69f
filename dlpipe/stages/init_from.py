"""Weights of another run to start from."""

import shutil
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.atomic import replacing
from dlpipe.errors import DlpipeError, listed
from dlpipe.run_directory import best_of
from dlpipe.stages.stage import selected, stages_of
from dlpipe.weights import fill


def start_from(cfg: DictConfig, model: pl.LightningModule, write: bool) -> None:
    """Give the stages' modules the best weights that the run in ``init_from`` has of them.

    What this run does not train itself is kept in its own directory: it is all there once the other is gone.

    Args:
        cfg: of this run.
        model: the whole.
        write: whether to keep the weights, which one process does, when the run begins.

    Raises:
        DlpipeError: the other run has not the weights of a stage that this one leaves out, or has another model's.
    """
    stages, directory, other = stages_of(model), Path(cfg.output_dir), Path(cfg.init_from)
    asked = [stage.name for stage in selected(stages, cfg.stages)]
    for stage in stages:
        own, theirs = best_of(directory, stage.name), best_of(other, stage.name)
        left_out = stage.name not in asked
        if left_out and own.is_file():
            fill(stage.module, own)
        elif theirs.is_file():
            fill(stage.module, theirs)
            if write and left_out:
                with replacing(own) as beside:
                    shutil.copyfile(theirs, beside)


def check_start(cfg: DictConfig, model: pl.LightningModule) -> None:
    """Refuse to start from what is no run, or has not what is needed.

    Raises:
        DlpipeError: saying what, and what is allowed.
    """
    stages, other = stages_of(model), Path(cfg.init_from)
    asked = [stage.name for stage in selected(stages, cfg.stages)]
    there = [stage for stage in stages if best_of(other, stage.name).is_file()]
    missing = [stage.name for stage in stages if stage not in there and stage.name not in asked]
    if not there:
        raise DlpipeError(f"init_from={other} has no checkpoint of {type(model).__name__}; name the directory of a run")
    if missing:
        raise DlpipeError(f"init_from={other} has no weights of {listed(missing)}; let stages= train that, too")
    for stage in there:
        fill(stage.module, best_of(other, stage.name))
