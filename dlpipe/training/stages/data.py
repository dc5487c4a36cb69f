"""The data that a stage trains on, sharded among the ranks."""

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.stages import Stage
from dlpipe.training.build import build_dataset
from dlpipe.training.distributed.rank_info import RankInfo
from dlpipe.training.distributed.sharding import shard_training_data
from dlpipe.training.prepared import Prepared


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
