"""The files that a run writes besides its checkpoints and logs: provenance, weights and figures."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from safetensors.torch import save_model
from torch import Tensor

from dlpipe.atomic import atomic_write
from dlpipe.contract import optional_method
from dlpipe.data.files import sha256_of
from dlpipe.figures import save_png
from dlpipe.runs.best_weights import load_stage_weights
from dlpipe.runs.directory import FIGURES, WEIGHTS
from dlpipe.runs.drawing import draw_figures
from dlpipe.runs.provenance import provenance
from dlpipe.training.build import build_dataset, build_model
from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.error_report import log_error
from dlpipe.training.prepared import Prepared
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.stages.init_from import weights_to_start_from
from dlpipe.training.trainer import find_callback

log = logging.getLogger(__name__)


def provenance_of(config: DictConfig) -> dict[str, Any]:
    """The provenance of a run of this config, started now on this machine."""
    with quiet_lightning():
        checksums = optional_method(build_dataset(config.dataset), "checksums")
    start = {stage: sha256_of(path) for stage, path in weights_to_start_from(config).items()}
    return provenance(Path(config.output_dir), checksums() if checksums else {}, start, config.threads)


def export_weights(model: pl.LightningModule, directory: Path) -> None:
    """Write the weights as safetensors, without extra state; a tensor that is a part of a larger one as a copy."""
    tensors = {
        name: value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor)
    }
    with atomic_write(directory / WEIGHTS) as temporary_path:
        save_model(_StateDict(tensors), str(temporary_path))  # type: ignore[arg-type]  # it reads the state dict alone


class _StateDict(NamedTuple):
    """Stands for a module, from which safetensors takes the state dict alone."""

    tensors: dict[str, Tensor]

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.tensors)


def module_of_one_process(prepared: Prepared, trainer: pl.Trainer | None) -> pl.LightningModule:
    """An unsharded module with the best weights; without checkpoints, with the weights at the end of training."""
    if trainer is None or not find_callback(trainer, BestAndLast):
        return prepared.model
    model, _ = build_model(prepared.config)
    load_stage_weights(model, Path(prepared.config.output_dir), prepared.settings.stages)
    return model


def draw(
    config: DictConfig,
    model: pl.LightningModule,
    data: pl.LightningDataModule,
    loggers: list[Any],
    step: int,
    best: dict[str, Any] | None,
) -> None:
    """Write figures as PNG into the run directory, and to every logger that accepts images.

    An exception is logged and loses only the figures: the run has finished and its numbers are known.
    """
    directory = Path(config.output_dir)
    try:
        for name, image in draw_figures(directory, model, data, lambda: build_model(config)[0], best):
            save_png(image, directory / FIGURES / f"{name}.png")
            for logger in loggers:
                if log_image := optional_method(logger, "log_image"):
                    log_image(f"figures/{name}", [image], step)
    except Exception as error:
        log_error(error, config)
        log.error("the figures could not be drawn; fix the error, then run: python -m dlpipe figures %s", directory)
