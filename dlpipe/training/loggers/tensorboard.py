"""TensorBoard: event files in the run's directory, which a resumed run continues."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only


class ResumableTensorBoardLogger(TensorBoardLogger):
    """Lightning's logger, with figures, and with every row once in a run that was killed and resumed.

    Events are on the disk whenever a checkpoint is. A resumed run adds an event file to the folder, and tells
    TensorBoard to drop what was logged after the checkpoint.

    Args:
        directory: of the event files.
        log_graph: whether to log the graph of a module that has an ``example_input_array``.
        default_hp_metric: whether to log -1 as ``hp_metric``, without which TensorBoard lists no hyper-parameters.
        flush_secs: how often events are written to the disk, in seconds.
    """

    def __init__(
        self, directory: str, log_graph: bool = False, default_hp_metric: bool = True, flush_secs: int = 120
    ) -> None:
        super().__init__(
            directory,
            name="",
            version="",
            log_graph=log_graph,
            default_hp_metric=default_hp_metric,
            flush_secs=flush_secs,
        )
        self.last_step: int | None = None

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log the run's config, once for all event files of the folder."""
        if not self._event_files():
            super().log_hyperparams(params, *args, **kwargs)
        elif not self.hparams:
            self.hparams = params

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """As Lightning's logger."""
        super().log_metrics(metrics, step)
        self.last_step = self.last_step if step is None else step

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        """Show pictures: uint8, (height, width) or (height, width, 3)."""
        for index, image in enumerate(images):
            name = key if len(images) == 1 else f"{key}/{index}"
            self.experiment.add_image(name, image, step, dataformats="HW" if image.ndim == 2 else "HWC")

    def position(self) -> dict[str, int | None]:
        """The last step, which is on the disk now; for `rewind`."""
        self.experiment.flush()
        return {"step": self.last_step}

    def rewind(self, position: dict[str, Any]) -> None:
        """Continue after this `position` in another event file; without a step, start again."""
        self.last_step = position.get("step")
        if self.last_step is None:
            for path in self._event_files():
                path.unlink()
            if self.hparams:
                self.log_hyperparams(self.hparams)
            return
        self.experiment.close()
        self.experiment.purge_step = self.last_step + 1  # of the file that the writer opens next

    def _event_files(self) -> list[Path]:
        return list(Path(self.log_dir).glob("events.out.tfevents.*"))
