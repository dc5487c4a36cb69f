"""The input size of a model whose YAML takes it from the dataset."""

from omegaconf import DictConfig

from dlpipe.config.compose import read_options
from dlpipe.errors import Problem
from dlpipe.plugins import registry

FROM_DATASET = "${dataset.num_features}"


def input_size_problems(cfg: DictConfig) -> list[Problem]:
    """Refuse an input size that is not the dataset's: the first matrix product would fail in the middle of a run."""
    path = registry.yaml_of(registry.find("model", cfg.model.name))
    num_features = cfg.dataset.get("num_features")
    if path is None or num_features is None:
        return []
    return [
        Problem(
            f"model.{key}={cfg.model[key]}",
            f"examples of {cfg.dataset.name} have {num_features} features; leave it out",
        )
        for key, value in read_options(path).items()
        if value == FROM_DATASET and key in cfg.model and cfg.model[key] != num_features
    ]
