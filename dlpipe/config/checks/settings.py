"""Check the types and ranges of the values that the core reads."""

from typing import Any

from omegaconf import DictConfig
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, format_list
from dlpipe.settings import STAGE_NODES, Core, Recipe, core_values, pydantic_message


def core_problems(cfg: DictConfig) -> list[Problem]:
    """Problems with the typed part of a composed config."""
    values = core_values(cfg)
    try:
        Core.model_validate(values)
    except ValidationError as error:
        return [_problem(detail) for detail in error.errors()]
    return [problem for name in values["recipe"]["stages"] for problem in _stage_problems(values["recipe"], name)]


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
