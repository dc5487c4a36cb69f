"""A run's directory, opened from Python. Reading its files imports no torch; the model and its data do."""

import contextlib
import csv
import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from dlpipe.errors import DataError, DlpipeError
from dlpipe.metrics_csv import read_epochs, read_metrics
from dlpipe.python_api.contexts import config_dir_added, own_settings_of_torch, training_logged
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import FIGURES, METRICS, read_provenance, read_summary
from dlpipe.runs.listing import UNFINISHED, find_run

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from pytorch_lightning import LightningDataModule, LightningModule

    from dlpipe.config.stored_run import StoredRun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A run's directory, opened: what was asked for, what came out, and the trained module.

    Args:
        directory: such as ``outputs/2026-11-23/15-52-32-logreg-61a97e``; ``last`` is the latest in ``outputs/``.

    Raises:
        DlpipeError: it does not exist, or an attribute or method finds that it is not a run's or has damaged files.
    """

    directory: Path

    def __init__(self, directory: str | Path) -> None:
        found = find_run(str(directory)).absolute()
        object.__setattr__(self, "directory", found)  # a frozen dataclass that takes a str too

    def __repr__(self) -> str:
        summary = self.summary
        words = [f"{summary['model']} on {summary['dataset']}", summary["status"]] if summary else ["no summary yet"]
        if best := summary.get("best"):
            words.append(f"best {best['metric']} {best['value']:g}")
        return f"Run({str(self.directory)!r}: {', '.join(words)})"

    @property
    def config(self) -> DictConfig:
        """The resolved config."""
        return read_config(self.directory)

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json: status, best, test, targets, ...; empty before the run has ended."""
        return read_summary(self.directory)

    @property
    def provenance(self) -> dict[str, Any]:
        """The content of provenance.json: the command, versions, machine, checksums; empty if there is none."""
        return read_provenance(self.directory)

    @property
    def status(self) -> str:
        """Finished, interrupted, diverged, pruned or failed; unfinished if the run is training or was killed."""
        return str(self.summary.get("status", UNFINISHED))

    @property
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Metric to its values in metrics.csv, each with the number of updates before it; empty without the file.

        The test, which is no update, is counted as one: after 44 updates its metrics stand at 45.
        """
        return read_metrics(self.directory / METRICS)

    @property
    def epochs(self) -> list[tuple[int, int]]:
        """The updates before each row of metrics.csv and its epoch, from 1; a stage starts again at 1."""
        return read_epochs(self.directory / METRICS)

    @property
    def metrics(self) -> Any:
        """metrics.csv as a pandas DataFrame, or as a dict of columns if pandas is not installed.

        A row has the metrics logged together; the others are NaN.

        Raises:
            DlpipeError: there is no such file.
        """
        path = self.directory / METRICS
        if not path.is_file():
            raise DlpipeError(f"{self.directory} has no {METRICS}: nothing was logged yet, or the file was removed")
        if importlib.util.find_spec("pandas"):
            import pandas

            return pandas.read_csv(path)
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name] or "nan") for row in rows] for name in (rows[0] if rows else ())}

    @cached_property
    def _stored(self) -> "StoredRun":
        from dlpipe.config.stored_run import open_run

        with own_settings_of_torch():
            return open_run(self.directory)

    @property
    def model(self) -> "LightningModule":
        """The module with its best weights, in evaluation mode."""
        return self._stored.model

    @property
    def data(self) -> "LightningDataModule":
        """The dataset, set up for testing."""
        return self._stored.data()

    @property
    def figures(self) -> dict[str, "Image"]:
        """Name to picture, which a notebook displays: learning curves, filters, ...; empty before they are drawn."""
        from PIL import Image

        folder = self.directory / FIGURES
        pictures = {}
        for path in sorted(folder.rglob("*.png")):
            with Image.open(path) as picture:
                pictures[path.relative_to(folder).with_suffix("").as_posix()] = picture.copy()
        return pictures

    def test(self) -> dict[str, float]:
        """Test the best weights again; return the test metrics."""
        from dlpipe.training.quiet import quiet_lightning

        with self._evaluation(), quiet_lightning():
            (results,) = self._stored.trainer.test(self.model, datamodule=self.data, verbose=False)
        return {name: float(value) for name, value in results.items()}

    def predict(self, x: Any) -> Any:
        """What the module's ``predict_step`` returns for one batch.

        Args:
            x: examples (examples, ...) as a tensor or an array, which become the batch ``(x,)``; a tuple, list or dict
                is the batch itself.
        """
        import torch

        from dlpipe.figures import predict_batch

        batch = x if isinstance(x, (tuple, list, dict)) else (torch.as_tensor(x),)
        with self._evaluation(), self._stored.inference():
            return predict_batch(self.model, self._stored.trainer.precision_plugin.convert_input(batch), 0)

    def classify_test_set(self) -> "tuple[NDArray[Any], NDArray[Any]] | None":
        """True labels (examples,) and class probabilities (examples, classes) of the test set, in its order.

        None unless the dataset has classes and labelled test examples, and ``predict_step`` returns probabilities.
        Nothing is downloaded: a DataError says that the data is not here.
        """
        from dlpipe.data.files import DownloadNeededError, without_downloads
        from dlpipe.figures import class_probabilities

        model = self.model
        try:
            with without_downloads():
                data = self.data
        except DownloadNeededError as error:
            raise DataError(str(error)) from error
        num_classes = getattr(data, "num_classes", None)
        if num_classes is None:
            return None
        with self._evaluation(), self._stored.inference():
            return class_probabilities(model, data, num_classes, self._stored.trainer.precision_plugin.convert_input)

    @contextlib.contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Evaluate with the run's number of threads, on which the last bits of the numbers depend."""
        import torch

        with own_settings_of_torch():
            torch.set_num_threads(self.config.get("threads") or torch.get_num_threads())
            yield

    def resume(self, *overrides: str, config_dir: str | Path | None = None, trust: bool = False) -> "Run":
        """Train on from the last checkpoint, to the end; nothing is done if the run is finished and not made longer.

        Args:
            overrides: what changes, as ``"recipe.max_epochs=200"``: docs/resume.md says what may.
            config_dir: a folder of your own YAML, as ``--config-dir``.
            trust: whether to allow all code that the config names, as ``--trust``: docs/trust.md.
        """
        from dlpipe.config.resumption import prepare_resumption
        from dlpipe.training import run as training

        with config_dir_added(config_dir), own_settings_of_torch():
            resumption = prepare_resumption(self.directory, list(overrides), trust)
            if resumption:
                self.__dict__.pop("_stored", None)  # its weights will not be the best any more
                with training_logged(self.directory):
                    for warning in resumption.warnings:
                        log.warning("%s", warning)
                    training.resume(resumption.prepared, resumption.change)
        return self
