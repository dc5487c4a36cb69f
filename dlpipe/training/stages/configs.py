"""The config of one stage: the run's, with the stage's part of the recipe laid over its recipe."""

import copy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dlpipe.settings import STAGE_NODES
from dlpipe.stages import prefixes

# of a config: for each name of stages, what is otherwise there
KEY = "stage_configs"


def with_stage_configs(cfg: DictConfig) -> DictConfig:
    """The config of a run with what differs in each stage, so that it can be resolved: a copy, or itself if it has it.

    An optimizer's rate that is ``${recipe.lr}`` follows the recipe as long as it is not resolved.
    """
    if KEY in cfg:
        return cfg
    found = copy.deepcopy(cfg)
    with open_dict(found):
        found.pop("hydra", None)  # the checks see it, a run does not
    whole, configs = _plain(found), {}
    for name, overlay in cfg.recipe.stages.items():
        own = copy.deepcopy(found)
        with open_dict(own):
            for node in STAGE_NODES:
                if node in overlay:
                    own[node] = overlay[node]
            own.recipe.update({key: value for key, value in overlay.items() if key not in STAGE_NODES})
        configs[name] = _difference(whole, _plain(own))
    with open_dict(found):
        found[KEY] = configs
    return found


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]  # it is a dict


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The values of a nested dict that are otherwise than before, where they are; `STAGE_NODES` as a whole."""
    found = {}
    for key, value in after.items():
        was = before.get(key)
        if value == was:
            continue
        nested = isinstance(value, dict) and isinstance(was, dict) and key not in STAGE_NODES
        found[key] = _difference(was, value) if nested else value  # type: ignore[arg-type]  # of both it is a dict
    return found


def stage_config(cfg: DictConfig, stage: str) -> DictConfig:
    """The config of a stage of a run, whose checkpoints have a folder of their own.

    Args:
        cfg: of the run, from `with_stage_configs`.
        stage: its name.
    """
    own = copy.deepcopy(cfg)
    with open_dict(own):
        for name in prefixes(stage):
            overlay = own[KEY].get(name, {})
            for node in STAGE_NODES:
                if node in overlay:
                    own[node] = overlay[node]
            own = OmegaConf.merge(own, overlay)  # type: ignore[assignment]  # of dicts it is one
        for node in own.callbacks.values():
            if is_checkpoints(node):
                node.directory = str(Path(node.directory) / stage)
    return own


def is_checkpoints(node: DictConfig) -> bool:
    """Whether a callback's node is that of `dlpipe.training.callbacks.checkpoints.BestAndLast`."""
    return str(node.get("_target_", "")).endswith(".BestAndLast")
