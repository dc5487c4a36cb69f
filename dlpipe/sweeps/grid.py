"""The jobs of a sweep over combinations, before any is run."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig


def jobs_of_grid(texts: list[str], config: DictConfig) -> list[list[str]] | None:
    """The overrides of each job, in the order of Hydra's own sweeper; None if another sweeper chooses jobs as it goes.

    Args:
        texts: the request's overrides in the form that Hydra accepts.
        config: of any of the jobs; ``hydra.sweeper.params`` has the overrides of a saved sweep.
    """
    if not str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        return None
    saved = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*saved, *texts])
    task = [override for override in overrides if not str(override.key_or_group).startswith("hydra")]
    ((*jobs,),) = BasicSweeper.split_arguments(task, None)
    return jobs
