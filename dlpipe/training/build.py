"""Build the model and the datasets from their config nodes."""

from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.seed import isolate_rng

from dlpipe.plugins.load_class import load_class
from dlpipe.stages import Stage
from dlpipe.training.distributed.rank_info import RankInfo
from dlpipe.training.distributed.sharding import shard_training_data
from dlpipe.training.prepared import Prepared
from dlpipe.training.resume.rng import rng_state


def options_of(node: DictConfig) -> dict[str, Any]:
    """The constructor arguments of a config node as plain containers, without ``name`` and ``_target_``."""
    options = OmegaConf.to_container(node, resolve=True)
    return {str(k): v for k, v in options.items() if k not in ("name", "_target_")}  # type: ignore[union-attr]


def build_model(config: DictConfig) -> tuple[pl.LightningModule, dict[str, Any]]:
    """The model, built with the config's seed, and the state of all random generators after that.

    The generators of the process keep their state.
    """
    with isolate_rng():
        pl.seed_everything(config.seed, verbose=False)
        model = load_class("model", config.model.name)(**options_of(config.model))
        return model, rng_state(model)


def build_dataset(node: DictConfig) -> pl.LightningDataModule:
    """The LightningDataModule that ``node.name`` names."""
    return load_class("dataset", node.name)(**options_of(node))  # type: ignore[no-any-return]


def build_sharded_dataset(config: DictConfig, rank: RankInfo) -> pl.LightningDataModule:
    """The dataset of a config, sharded among the ranks of the run."""
    data = build_dataset(config.dataset)
    if rank.world_size > 1:
        shard_training_data(data, rank)
    return data


def stage_data(
    prepared: Prepared, stage: Stage, data: pl.LightningDataModule, rank: RankInfo
) -> pl.LightningDataModule:
    """The run's data, or a new dataset if the stage has its own dataset options or an encoding."""
    config = prepared.stage_config(stage)
    if stage.encode is None and config.dataset == prepared.config.dataset:
        return data
    dataset = build_sharded_dataset(config, rank)
    if stage.encode:
        dataset.encode = stage.encode  # type: ignore[attr-defined]  # the checks require a TensorDataModule
    return dataset
