"""The config of one stage: the run's config, with the stage's part of the recipe merged into the recipe."""

import copy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dlpipe.settings import STAGE_NODES
from dlpipe.stages import prefixes

# config key: maps the name of a stage, or of a group of stages, to the values that differ from the run's
KEY = "stage_configs"


def with_stage_configs(cfg: DictConfig) -> DictConfig:
    """A copy of a run's config with the differences of each stage; the config itself if it has them already.

    Call it before resolving the config: an optimizer's ``${recipe.lr}`` must see the stage's recipe.
    """
    if KEY in cfg:
        return cfg
    run_config = copy.deepcopy(cfg)
    with open_dict(run_config):
        run_config.pop("hydra", None)  # only the checks need it
    configs = {}
    run_values = _plain(run_config) if cfg.recipe.stages else {}  # resolving all interpolations takes half of the time
    for name, overlay in cfg.recipe.stages.items():
        merged = copy.deepcopy(run_config)
        with open_dict(merged):
            merged.update({node: overlay[node] for node in STAGE_NODES if node in overlay})
            merged.recipe.update({key: value for key, value in overlay.items() if key not in STAGE_NODES})
        configs[name] = _difference(run_values, _plain(merged))
    with open_dict(run_config):
        run_config[KEY] = configs
    return run_config


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]  # it is a dict


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The values of a nested dict that differ from ``before``, under their keys; `STAGE_NODES` are not split."""
    changed = {}
    for key, value in after.items():
        old = before.get(key)
        if value == old:
            continue
        nested = isinstance(value, dict) and isinstance(old, dict) and key not in STAGE_NODES
        changed[key] = _difference(old, value) if nested else value  # type: ignore[arg-type]  # both are dicts if nested
    return changed


def stage_config(cfg: DictConfig, stage: str) -> DictConfig:
    """The config of one stage, with a checkpoint folder of its own; ``cfg`` is from `with_stage_configs`."""
    config = copy.deepcopy(cfg)
    with open_dict(config):
        for name in prefixes(stage):
            overlay = config[KEY].get(name, {})
            config.update({node: overlay[node] for node in STAGE_NODES if node in overlay})
            config = OmegaConf.merge(config, overlay)  # type: ignore[assignment]  # merging DictConfigs gives a DictConfig
        for node in config.callbacks.values():
            if is_checkpoints(node):
                node.directory = str(Path(node.directory) / stage)
    return config


def is_checkpoints(node: DictConfig) -> bool:
    """Whether a callback's node is for `dlpipe.training.callbacks.checkpoints.BestAndLast`."""
    return str(node.get("_target_", "")).endswith(".BestAndLast")
