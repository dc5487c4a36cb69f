"""The typed part of the config: what the core itself reads, with types and ranges."""

from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from dlpipe.errors import Problem, did_you_mean, format_list

# of a stage, nodes of the config that may stand beside the values of its recipe
REPLACED = ("optimizer", "scheduler")
Positive = Annotated[int, Field(gt=0, lt=2**31)]  # torch takes no count of any size


class Typed(BaseModel):
    """Strict: no key that is not declared, no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Target(Typed):
    """A published number that a run on ``dataset`` should reach, with its source."""

    dataset: str
    metric: str
    value: float
    source: str
    mode: Literal["min", "max"] = "min"


class Recipe(Typed):
    """Hyper-parameters of a model; the recipe of a tutorial's model is the published one."""

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


class Core(Typed):
    """The top-level values and groups that the core reads."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    threads: Annotated[int, Field(gt=0, le=1024)]  # torch starts as many as it is told to
    max_chunk_batches: Positive
    fused: bool
    tune_memory: bool
    offline: bool
    resume: Literal["auto"] | None
    stages: Annotated[list[str], Field(min_length=1)] | None
    init_from: str | None
    recipe: Recipe


def core_problems(cfg: DictConfig) -> list[Problem]:
    """What is wrong with the typed part of a composed config."""
    values: dict[str, Any] = {
        name: OmegaConf.to_container(cfg[name], resolve=True) if OmegaConf.is_config(cfg[name]) else cfg[name]
        for name in Core.model_fields
    }
    try:
        Core.model_validate(values)
    except ValidationError as error:
        return [_problem(detail) for detail in error.errors()]
    return [problem for name in values["recipe"]["stages"] for problem in _stage_problems(values["recipe"], name)]


def _stage_problems(recipe: dict[str, Any], name: str) -> list[Problem]:
    """What is wrong with the part of a recipe that is laid over the rest for a stage."""
    overlay = {key: value for key, value in recipe["stages"][name].items() if key not in REPLACED}
    if "stages" in overlay:
        return [Problem(f"recipe.stages.{name}.stages", "a stage has no stages; set the values themselves")]
    try:
        Recipe.model_validate({**recipe, "stages": {}, **overlay})
    except ValidationError as error:
        return [_problem({**detail, "loc": ("recipe", "stages", name, *detail["loc"])}) for detail in error.errors()]
    return []


def _problem(detail: ErrorDetails) -> Problem:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known, name = list(Recipe.model_fields), str(detail["loc"][-1])
        return Problem(key, f"no such key; {did_you_mean(name, known)}a recipe has {format_list(known)}")
    if detail["type"] == "missing":  # its input is all that is there
        return Problem(key, "is missing")
    return Problem(f"{key}={detail['input']}", pydantic_message(detail))


def pydantic_message(detail: ErrorDetails) -> str:
    """Pydantic's message as the rest of a sentence: ``must be greater than 0``."""
    return detail["msg"].replace("Input should be", "must be").replace("Value error, ", "")
