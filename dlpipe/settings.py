"""The typed part of a config: the values that the core reads, with their ranges."""

from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails

# config nodes that a stage's part of the recipe may replace, in addition to values of the recipe
STAGE_NODES = ("optimizer", "scheduler")
OnNan = Literal["stop", "warn"]
Positive = Annotated[int, Field(gt=0, lt=2**31)]  # torch takes no larger count


class Strict(BaseModel):
    """A pydantic model that allows neither unknown keys nor type conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Target(Strict):
    """A published number that a run on ``dataset`` should reach, with its source."""

    dataset: str
    metric: str
    value: float
    source: str
    mode: Literal["min", "max"] = "min"


class Recipe(Strict):
    """Hyper-parameters of a run; for the tutorials' models, the published ones."""

    lr: Annotated[float, Field(gt=0)]
    batch_size: Positive | None
    max_epochs: Positive
    shuffle: bool
    drop_last: bool
    eval_drop_last: bool
    patience: Positive | None
    patience_increase: Annotated[float, Field(ge=1)]
    improvement_threshold: Annotated[float, Field(gt=0, le=1)]
    significance: Annotated[float, Field(gt=0, lt=1)] | None
    monitor: str | None
    monitor_mode: Literal["min", "max"]
    keep_every_n_epochs: Positive | None
    stages: dict[str, dict[str, Any]]
    targets: list[Target]


class Core(Strict):
    """The top-level values and groups that the core reads."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    threads: Annotated[int, Field(gt=0, le=1024)]  # torch itself sets no limit
    max_chunk_batches: Positive
    fused: bool
    tune_memory: bool
    on_nan: OnNan
    try_one_batch: bool
    offline: bool
    resume: Literal["auto"] | None
    stages: Annotated[list[str], Field(min_length=1)] | None
    init_from: str | None
    recipe: Recipe


def read_settings(config: DictConfig) -> Core:
    """The typed part of a config that has passed the checks."""
    return Core.model_validate(core_values(config))


def core_values(config: DictConfig) -> dict[str, Any]:
    """The values of a config that the core reads, as plain containers."""
    return {
        name: OmegaConf.to_container(config[name], resolve=True) if OmegaConf.is_config(config[name]) else config[name]
        for name in Core.model_fields
    }


def pydantic_message(detail: ErrorDetails) -> str:
    """Pydantic's message as the rest of a sentence: ``must be greater than 0``."""
    return detail["msg"].replace("Input should be", "must be").replace("Value error, ", "")
