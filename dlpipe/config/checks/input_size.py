"""The width of an example, where a model's file takes it from the dataset."""

from omegaconf import DictConfig

from dlpipe.config.compose import read_options
from dlpipe.errors import Problem
from dlpipe.plugins import registry

FROM_DATASET = "${dataset.num_features}"


def input_size_problems(cfg: DictConfig) -> list[Problem]:
    """Refuse another width than the dataset's: the first product of matrices would fail, in the middle of a run."""
    path = registry.yaml_of(registry.find("model", cfg.model.name))
    there = cfg.dataset.get("num_features")
    if path is None or there is None:
        return []
    return [
        Problem(f"model.{key}={cfg.model[key]}", f"examples of {cfg.dataset.name} have {there} features; leave it out")
        for key, value in read_options(path).items()
        if value == FROM_DATASET and key in cfg.model and cfg.model[key] != there
    ]
