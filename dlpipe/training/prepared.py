"""What a config comes to once it has been checked: everything that a run is made of."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.runs.config_file import relocate_config
from dlpipe.settings import Core, read_settings
from dlpipe.stages import Stage, selected, stages_of
from dlpipe.training.stages.configs import stage_config


@dataclass(frozen=True)
class Prepared:
    """A checked config and the parts that were built from it; `dlpipe.config.prepare` makes it, a run consumes it.

    Args:
        config: composed and resolvable, with absolute paths and what differs in each stage, without ``hydra``.
        model: as its constructor made it from the config's seed.
        rng_state: of torch, numpy and Python, after the model was made.
        num_processes: that the Trainer asks for, one a device.
    """

    config: DictConfig
    model: pl.LightningModule
    rng_state: dict[str, Any]
    num_processes: int

    @cached_property
    def settings(self) -> Core:
        """The typed part of the config."""
        return read_settings(self.config)

    @cached_property
    def stages(self) -> list[Stage]:
        """All stages of the model, in order."""
        return stages_of(self.model)

    @cached_property
    def selected_stages(self) -> list[Stage]:
        """The stages that this run trains."""
        return selected(self.stages, self.settings.stages)

    def stage_config(self, stage: Stage) -> DictConfig:
        """The config of one stage."""
        return stage_config(self.config, stage.name)

    def relocated(self, output_dir: str) -> "Prepared":
        """The same with another run directory."""
        return replace(self, config=relocate_config(self.config, output_dir))
