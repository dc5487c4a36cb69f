"""The composed loggers of a run, open for as long as it lasts."""

import contextlib
from collections.abc import Iterator
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger

from dlpipe.training.distributed.rank_info import RankInfo


@contextlib.contextmanager
def open_loggers(config: DictConfig, rank: RankInfo) -> Iterator[list[Any]]:
    """Make the loggers, on rank 0, and log the config.

    W&B's run is closed whatever happens, or the next job would log to it.
    """
    with contextlib.ExitStack() as stack:
        nodes = config.logger.values() if rank.rank == 0 else []
        loggers = [instantiate(node) for node in nodes]
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                from dlpipe.training.loggers.wandb import finish

                stack.push(lambda kind, *_, logger=logger: finish(logger, failed=kind is not None))
            logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))
        yield loggers
