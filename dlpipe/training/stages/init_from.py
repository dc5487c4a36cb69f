"""Weights of another run to start from."""

import shutil
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.atomic import atomic_write
from dlpipe.errors import DlpipeError, format_list
from dlpipe.runs.best_weights import load_weights
from dlpipe.runs.directory import BEST, CHECKPOINTS, START, best_of
from dlpipe.stages import selected, stages_of


def weights_to_start_from(cfg: DictConfig) -> dict[str, Path]:
    """By stage, the best checkpoint that the run in ``init_from`` has of it, or this run's own copy."""
    if not cfg.init_from:
        return {}
    found = {}
    for directory, name in ((Path(cfg.init_from), BEST), (Path(cfg.output_dir), START)):
        root = directory / CHECKPOINTS
        found.update({path.parent.relative_to(root).as_posix(): path for path in root.rglob(name)})
    return {"" if stage == "." else stage: path for stage, path in found.items()}


def start_from(cfg: DictConfig, model: pl.LightningModule, write: bool) -> None:
    """Give the stages' modules the best weights that the run in ``init_from`` has of them.

    All of them are kept in this run's own directory, which can then be gone on with where the other is gone.

    Args:
        cfg: of this run.
        model: the whole.
        write: whether to keep the weights, which one process does.

    Raises:
        DlpipeError: the other run has none, or another model's.
    """
    stages, found = stages_of(model), weights_to_start_from(cfg)
    if not any(stage.name in found for stage in stages):
        raise DlpipeError(f"init_from={cfg.init_from} has no weights of this model any more; bring that run back")
    asked = [stage.name for stage in selected(stages, cfg.stages)]
    for stage in stages:
        if stage.name not in found:
            continue
        load_weights(stage.module, found[stage.name])
        own = best_of(Path(cfg.output_dir), stage.name)
        for name in [START] if stage.name in asked else [START, BEST]:  # what is not trained here is best as it is
            if write and not own.with_name(name).is_file():
                with atomic_write(own.with_name(name)) as temporary_path:
                    shutil.copyfile(found[stage.name], temporary_path)


def check_start(cfg: DictConfig, model: pl.LightningModule) -> None:
    """Refuse to start from what is no run, or has not what is needed.

    Raises:
        DlpipeError: saying what, and what is allowed.
    """
    stages, other = stages_of(model), Path(cfg.init_from)
    asked = [stage.name for stage in selected(stages, cfg.stages)]
    there = [stage for stage in stages if best_of(other, stage.name).is_file()]
    last = max(index for index, stage in enumerate(stages) if stage.name in asked)
    missing = [stage.name for stage in stages[:last] if stage not in there and stage.name not in asked]
    if not there:
        raise DlpipeError(f"init_from={other} has no checkpoint of {type(model).__name__}; name the directory of a run")
    if missing:
        raise DlpipeError(f"init_from={other} has no weights of {format_list(missing)}; let stages= train that, too")
    for stage in there:
        load_weights(stage.module, best_of(other, stage.name))
