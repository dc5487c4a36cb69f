"""A checked config with the parts that were built from it: everything that a run needs."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from dlpipe.runs.config_file import relocate_config
from dlpipe.settings import Core, read_settings
from dlpipe.stages import Stage, selected, stages_of
from dlpipe.training.stages.configs import stage_config


@dataclass(frozen=True)
class Prepared:
    """A checked config and the parts built from it; `dlpipe.config.prepare` creates it, and `run` trains it.

    Args:
        config: composed and resolvable, with absolute paths and the differences of each stage, without ``hydra``.
        model: built with the config's seed, not yet trained.
        rng_state: state of the generators of torch, numpy and Python after the model was built.
        num_processes: the Trainer's world size.
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

    @cached_property
    def _stage_configs(self) -> dict[str, DictConfig]:
        configs = {stage.name: stage_config(self.config, stage.name) for stage in self.stages}
        for config in configs.values():
            OmegaConf.resolve(config)  # once, since each read of an interpolation parses it again
        return configs

    def stage_config(self, stage: Stage) -> DictConfig:
        """The config of one stage; not to be modified."""
        return self._stage_configs[stage.name]

    def relocated(self, output_dir: str) -> "Prepared":
        """A copy with another run directory."""
        return replace(self, config=relocate_config(self.config, output_dir))
