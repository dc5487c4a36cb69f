"""The width of an example, where a model's file takes it from the dataset."""

from omegaconf import DictConfig, OmegaConf

from dlpipe import plugins
from dlpipe.errors import Problem

FROM_DATASET = "${dataset.num_features}"


def width_problems(cfg: DictConfig) -> list[Problem]:
    """Refuse another width than the dataset's: the first product of matrices would fail, in the middle of a run."""
    path = plugins.yaml_of(plugins.find("model", cfg.model.name))
    file = OmegaConf.to_container(OmegaConf.load(path)) if path else {}
    there = cfg.dataset.get("num_features")
    if there is None or not isinstance(file, dict):
        return []
    return [
        Problem(f"model.{key}={cfg.model[key]}", f"examples of {cfg.dataset.name} have {there} features; leave it out")
        for key, value in ((str(name), value) for name, value in file.items())
        if value == FROM_DATASET and key in cfg.model and cfg.model[key] != there
    ]
