"""The composed loggers of a run, open for as long as it lasts."""

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import DummyLogger

from dlpipe.contract import optional_method
from dlpipe.errors import DlpipeError
from dlpipe.training.distributed.rank_info import RankInfo
from dlpipe.training.loggers.csv import EMPTY


@contextlib.contextmanager
def open_loggers(config: DictConfig, rank: RankInfo, from_scratch: bool) -> Iterator[list[Any]]:
    """Make the loggers and log the config; a run that starts from scratch empties its logs first.

    Other ranks than 0 have as many that do nothing: `LearningRateMonitor` asks for one, modules use its ``experiment``.
    """
    if rank.rank > 0:
        yield [DummyLogger() for _ in config.logger]
        return
    with contextlib.ExitStack() as stack:
        loggers = []
        for node in config.logger.values():
            logger = _build(node)
            stack.push(_Close(logger))
            rewind = optional_method(logger, "rewind")
            if rewind and from_scratch:
                rewind(EMPTY)
            logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))
            loggers.append(logger)
        yield loggers


def _build(node: DictConfig) -> Any:
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, DlpipeError):
            raise error.__cause__ from None
        raise


class _Close(contextlib.AbstractContextManager[None]):
    """Close a logger whatever happens: Lightning does so after each fit and test, and the run logs once more."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(self.logger, WandbLogger):
            from dlpipe.training.loggers.wandb import finish

            finish(self.logger, failed=kind is not None)  # or the next job would log to its run
        else:
            self.logger.finalize("success" if kind is None else "failed")
