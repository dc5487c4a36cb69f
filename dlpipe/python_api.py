"""Train and use runs from Python and notebooks, with the checks, files and messages of the command line."""

import contextlib
import csv
import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import LightningDataModule, LightningModule

from dlpipe.cli.console import log_to_file_and_terminal
from dlpipe.cli.flags import use_config_dirs
from dlpipe.config.checks import config_checks
from dlpipe.config.prepare import prepare_jobs
from dlpipe.config.resumption import prepare_resumption
from dlpipe.config.stored_run import StoredRun, open_run
from dlpipe.errors import Problem, refuse
from dlpipe.figures import predict_batch
from dlpipe.plugins import class_source, registry
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import CONFIG, FIGURES, METRICS, read_summary
from dlpipe.runs.listing import find_run
from dlpipe.training import run as training
from dlpipe.training.callbacks.graceful_stop import StoppedBySignal
from dlpipe.training.quiet import quiet_lightning

if TYPE_CHECKING:
    from PIL.Image import Image

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
    def metrics(self) -> Any:
        """metrics.csv as a pandas DataFrame, or as a dict of columns if pandas is not installed.

        A row has the metrics logged together; the others are NaN.
        """
        path = self.directory / METRICS
        if importlib.util.find_spec("pandas"):
            import pandas

            return pandas.read_csv(path)
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name] or "nan") for row in rows] for name in (rows[0] if rows else ())}

    @cached_property
    def _stored(self) -> StoredRun:
        with _own_settings_of_torch():
            return open_run(self.directory)

    @property
    def model(self) -> LightningModule:
        """The module with its best weights, in evaluation mode."""
        return self._stored.model

    @property
    def data(self) -> LightningDataModule:
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
        with self._evaluation(), quiet_lightning():
            (results,) = self._stored.trainer.test(self.model, datamodule=self.data, verbose=False)
        return {name: float(value) for name, value in results.items()}

    def predict(self, x: Any) -> Any:
        """What the module's ``predict_step`` returns for one batch.

        Args:
            x: examples (examples, ...) as a tensor or an array, which become the batch ``(x,)``; a tuple, list or dict
                is the batch itself.
        """
        batch = x if isinstance(x, (tuple, list, dict)) else (torch.as_tensor(x),)
        with self._evaluation(), self._stored.inference():
            return predict_batch(self.model, self._stored.trainer.precision_plugin.convert_input(batch), 0)

    @contextlib.contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Evaluate with the run's number of threads, on which the last bits of the numbers depend."""
        with _own_settings_of_torch():
            torch.set_num_threads(self.config.get("threads") or torch.get_num_threads())
            yield

    def resume(self, *overrides: str, config_dir: str | Path | None = None, trust: bool = False) -> "Run":
        """Train on from the last checkpoint, to the end; nothing is done if the run is finished and not made longer.

        Args:
            overrides: what changes, as ``"recipe.max_epochs=200"``: docs/resume.md says what may.
            config_dir: a folder of your own YAML, as ``--config-dir``.
            trust: whether to allow all code that the config names, as ``--trust``: docs/trust.md.
        """
        with _config_dir(config_dir), _own_settings_of_torch():
            resumption = prepare_resumption(self.directory, list(overrides), trust)
            if resumption:
                self.__dict__.pop("_stored", None)  # its weights will not be the best any more
                with _training(self.directory):
                    for warning in resumption.warnings:
                        log.warning("%s", warning)
                    training.resume(resumption.prepared, resumption.change)
        return self


def run(*overrides: str, config_dir: str | Path | None = None) -> Run:
    """Train and test a model: ``dlpipe.run("model=lenet", "recipe.max_epochs=3")``.

    Args:
        overrides: as on the command line, except for those of Hydra itself other than ``hydra.run.dir``.
        config_dir: a folder of your own YAML, as ``--config-dir``.

    Raises:
        RequestError: the overrides are wrong; it has all problems, and nothing was written.
        DlpipeError: the run failed.
        KeyboardInterrupt: the run was interrupted and has saved a checkpoint.
    """
    refuse(
        Problem(text, "is for Hydra's command line; from Python, hydra.run.dir is the only one of its keys")
        for text in overrides
        if text.lstrip("+~").startswith("hydra") and not text.startswith("hydra.run.dir=")
    )
    with _config_dir(config_dir), _own_settings_of_torch():
        jobs = config_checks.check(list(overrides), multirun=False, output_key="run")
        directory = Path(str(jobs[0][1].hydra.run.dir)).absolute()
        prepared = prepare_jobs(jobs).relocated(str(directory))
        with _training(directory), _hydra_config(jobs[0][1], directory):
            training.run(prepared)
    return Run(directory)


def compose(*overrides: str, config_dir: str | Path | None = None) -> DictConfig:
    """The config that these overrides compose, checked but not trained; raises a RequestError as `run` does."""
    with _config_dir(config_dir):
        ((_, config),) = config_checks.check(list(overrides), multirun=False, output_key=None)
    return DictConfig({name: node for name, node in config.items() if name not in ("hydra", "output_dir")})


def models() -> dict[str, str]:
    """Installed models: the name to type after ``model=``, and the first line of the docstring."""
    return _installed("model")


def datasets() -> dict[str, str]:
    """Installed datasets: the name to type after ``dataset=``, and the first line of the docstring."""
    return _installed("dataset")


def _installed(kind: registry.Kind) -> dict[str, str]:
    sources = {entry.name: class_source.read_class(entry) for entry in registry.available(kind)}
    return {name: source.docstring.partition("\n")[0] if source else "" for name, source in sorted(sources.items())}


@contextlib.contextmanager
def _config_dir(folder: str | Path | None) -> Iterator[None]:
    """Add the user's folder to the config tree."""
    before = registry.user_conf_dirs[:]
    use_config_dirs([] if folder is None else [str(folder)])
    try:
        yield
    finally:
        registry.user_conf_dirs[:] = before


@contextlib.contextmanager
def _training(directory: Path) -> Iterator[None]:
    """Log a run to its file and the screen."""
    try:
        with log_to_file_and_terminal(directory):
            yield
    except StoppedBySignal as stopped:  # a SystemExit, which would end a notebook's cell without a word
        raise KeyboardInterrupt(f"saved a checkpoint; dlpipe.Run({str(directory)!r}).resume() trains on") from stopped


@contextlib.contextmanager
def _hydra_config(config: DictConfig, directory: Path) -> Iterator[None]:
    """Write the files of Hydra that a run's directory has, and let the loggers read the overrides."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    if not (directory / CONFIG).is_file():  # another run's are left as they are
        folder = directory / str(config.hydra.output_subdir)
        folder.mkdir(parents=True, exist_ok=True)
        task = DictConfig({name: node for name, node in config.items() if name != "hydra"})
        nodes = {"config": task, "hydra": {"hydra": config.hydra}, "overrides": config.hydra.overrides.task}
        for name, node in nodes.items():
            OmegaConf.save(node, folder / f"{name}.yaml")
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


@contextlib.contextmanager
def _own_settings_of_torch() -> Iterator[None]:
    """Give the process back its number of threads and its choice of deterministic algorithms."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
