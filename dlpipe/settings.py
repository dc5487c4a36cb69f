"""The typed part of a config: the values that the core reads, with their ranges, and what is wrong with them."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from omegaconf import DictConfig
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, format_list
from dlpipe.plain_config import plain

# config nodes that a stage's part of the recipe may replace, in addition to values of the recipe
STAGE_NODES = ("optimizer", "scheduler")
# config nodes from which objects are built
NODES = ("model", "dataset", *STAGE_NODES, "trainer", "callbacks", "logger")
OnNan = Literal["stop", "warn"]
Positive = Annotated[int, Field(gt=0, lt=2**31)]  # torch takes no larger count


@dataclass(frozen=True)
class Needs:
    """Marks a value of the recipe that nothing reads while another one is null."""

    key: str


@dataclass(frozen=True)
class ReadByCore:
    """Marks a value of the recipe that the core reads itself; the others are read where a config interpolates them."""


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
    patience_increase: Annotated[float, Field(ge=1), Needs("patience")]
    improvement_threshold: Annotated[float, Field(gt=0, le=1), Needs("patience")]
    significance: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, Needs("patience")]
    monitor: Annotated[str | None, ReadByCore()]
    monitor_mode: Annotated[Literal["min", "max"], ReadByCore()]
    keep_every_n_epochs: Positive | None
    stages: dict[str, dict[str, Any]]
    targets: Annotated[list[Target], ReadByCore()]


READ_BY_CORE = [name for name, field in Recipe.model_fields.items() if ReadByCore() in field.metadata]
NEEDED_BY = {
    name: mark.key for name, field in Recipe.model_fields.items() for mark in field.metadata if isinstance(mark, Needs)
}


class SweepSettings(Strict):
    """When a sweep stops starting jobs, and how many it starts at once; ``conf/launcher`` reads ``jobs_per_gpu``."""

    on_error: Literal["continue", "stop"]
    max_failures: Positive | None
    max_batch_size: Positive | None
    jobs_per_gpu: Positive

    @property
    def most_failures(self) -> int | None:
        """The number of failed jobs after which no other starts; None if all are run."""
        return 1 if self.on_error == "stop" else self.max_failures


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
    sweep: SweepSettings
    recipe: Recipe


def read_settings(config: DictConfig) -> Core:
    """The typed part of a config that has passed the checks."""
    return Core.model_validate(_core_values(config))


def core_problems(config: DictConfig) -> list[Problem]:
    """Nodes that are no mappings, or problems with the types and ranges of a composed config's typed part."""
    if problems := node_problems(config):
        return problems
    values = _core_values(config)
    try:
        Core.model_validate(values)
    except ValidationError as error:
        return [_problem(detail) for detail in error.errors()]
    recipe = values["recipe"]
    if recipe["monitor"] is None and recipe["monitor_mode"] == "max":
        return [
            Problem(
                "recipe.monitor_mode=max",
                "set recipe.monitor=METRIC too: without one, a loss or an error chooses the best",
            )
        ]
    return [problem for name in recipe["stages"] for problem in _stage_problems(recipe, name)]


def node_problems(config: DictConfig) -> list[Problem]:
    """Nodes of a config that must be mappings and are not."""
    return [
        Problem(f"{name}={config[name]}", "must be a mapping")
        for name in (*NODES, "stage_configs")
        if name in config and not isinstance(config[name], DictConfig)
    ]


def _core_values(config: DictConfig) -> dict[str, Any]:
    return {name: plain(config[name]) for name in Core.model_fields}


def _stage_problems(recipe: dict[str, Any], name: str) -> list[Problem]:
    """Problems with the part of a recipe that overrides it for one stage."""
    overlay = {key: value for key, value in recipe["stages"][name].items() if key not in STAGE_NODES}
    if "stages" in overlay:
        return [Problem(f"recipe.stages.{name}.stages", "a stage has no stages; set the values directly")]
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
    if detail["type"] == "missing":  # the input is the whole parent node
        return Problem(key, "is missing")
    return Problem(f"{key}={detail['input']}", pydantic_message(detail))


def pydantic_message(detail: ErrorDetails) -> str:
    """Pydantic's message as the rest of a sentence: ``must be greater than 0``."""
    return detail["msg"].replace("Input should be", "must be").replace("Value error, ", "")
