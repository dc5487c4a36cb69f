"""One logger of a run for all of its stages."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers.logger import Logger


class PrefixedLogger(Logger):
    """Logs a stage's metrics under its name, at steps that continue those of the stages before.

    ``loss`` of training in the stage ``pretrain/0`` is ``pretrain/0/loss``; ``val/error`` in ``finetune`` is
    ``finetune/val/error``.

    Args:
        logger: the run's.
        stage: its name; empty adds no prefix.
        updates: number of updates before the stage.
    """

    def __init__(self, logger: Logger, stage: str, updates: int) -> None:
        super().__init__()
        self.logger = logger
        self.stage = stage
        self.updates = updates

    def __getattr__(self, name: str) -> Any:
        if name == "logger":  # not set yet, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self.logger, name)

    @property
    def name(self) -> str | None:
        """The logger's."""
        return self.logger.name

    @property
    def version(self) -> str:
        """The logger's and the stage's: Lightning's own callbacks have a folder for each stage."""
        return f"{self.logger.version}/{self.stage}".strip("/")

    @property
    def save_dir(self) -> str | None:
        """The logger's."""
        return self.logger.save_dir

    @property
    def root_dir(self) -> str | None:
        """The logger's."""
        return self.logger.root_dir

    @property
    def log_dir(self) -> str | None:
        """The logger's."""
        return self.logger.log_dir

    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        """As the logger."""
        self.logger.log_graph(*args, **kwargs)

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """As the logger."""
        self.logger.after_save_checkpoint(checkpoint_callback)

    def save(self) -> None:
        """As the logger."""
        self.logger.save()

    def finalize(self, status: str) -> None:
        """Nothing: the run is not over."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The run's config, which the logger has."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log under the stage's name."""
        named = {self._named(name): value for name, value in metrics.items()}
        self.logger.log_metrics(named, None if step is None else step + self.updates)

    def _named(self, name: str) -> str:
        if not self.stage or name == "epoch":
            return name
        return f"{self.stage}/{name.removeprefix('train/')}"
