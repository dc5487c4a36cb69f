"""Initialise stages with the weights of another run (``init_from``)."""

import shutil
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.atomic import atomic_write
from dlpipe.errors import DlpipeError, format_list
from dlpipe.runs.best_weights import load_weights
from dlpipe.runs.directory import BEST, CHECKPOINTS, START, best_of
from dlpipe.runs.listing import find_run
from dlpipe.stages import selected, stages_of


def weights_to_start_from(cfg: DictConfig) -> dict[str, Path]:
    """By stage, the best checkpoint of the run in ``init_from``, or this run's copy of it."""
    if not cfg.init_from:
        return {}
    checkpoints = {}
    for directory, name in ((Path(cfg.init_from), BEST), (Path(cfg.output_dir), START)):
        root = directory / CHECKPOINTS
        checkpoints.update({path.parent.relative_to(root).as_posix(): path for path in root.rglob(name)})
    return {"" if stage == "." else stage: path for stage, path in checkpoints.items()}


def start_from(cfg: DictConfig, model: pl.LightningModule, write: bool) -> None:
    """Load the best weights of the run in ``init_from`` into the modules of the stages.

    With ``write``, copies them into this run's directory, so that it can be resumed without the other run.

    Raises:
        DlpipeError: the other run has no weights, or those of another model.
    """
    stages, checkpoints = stages_of(model), weights_to_start_from(cfg)
    if not any(stage.name in checkpoints for stage in stages):
        raise DlpipeError(f"init_from={cfg.init_from} no longer has weights of this model; restore that run")
    selected_names = [stage.name for stage in selected(stages, cfg.stages)]
    for stage in stages:
        if stage.name not in checkpoints:
            continue
        load_weights(stage.module, checkpoints[stage.name])
        best = best_of(Path(cfg.output_dir), stage.name)
        # the initial weights of a stage that is not trained are also its best
        for name in [START] if stage.name in selected_names else [START, BEST]:
            if write and not best.with_name(name).is_file():
                with atomic_write(best.with_name(name)) as temporary_path:
                    shutil.copyfile(checkpoints[stage.name], temporary_path)


def check_start(cfg: DictConfig, model: pl.LightningModule) -> None:
    """Refuse an ``init_from`` that is not a run, or that lacks weights of a required stage.

    Raises:
        DlpipeError: names what is missing, and what to do.
    """
    stages, other = stages_of(model), _existing(cfg.init_from)
    selected_names = [stage.name for stage in selected(stages, cfg.stages)]
    available = [stage for stage in stages if best_of(other, stage.name).is_file()]
    last = max(index for index, stage in enumerate(stages) if stage.name in selected_names)
    missing = [stage.name for stage in stages[:last] if stage not in available and stage.name not in selected_names]
    if not available:
        raise DlpipeError(f"init_from={other} has no checkpoint of {type(model).__name__}; name the directory of a run")
    if missing:
        raise DlpipeError(
            f"init_from={other} has no weights of {format_list(missing)}; add them to stages= to train them"
        )
    for stage in available:
        load_weights(stage.module, best_of(other, stage.name))


def _existing(directory: str) -> Path:
    try:
        return find_run(directory)
    except DlpipeError as error:
        raise DlpipeError(f"init_from={error}") from None
