"""The job of Hydra's that a run is, if it is one."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode


def sweep_of_job() -> str | None:
    """The sweep's directory name; None for a run that is not a job of one."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return Path(HydraConfig.get().sweep.dir).name


def overrides_of_job() -> list[str]:
    """The overrides of the run's own config; none without Hydra."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
