"""The model or dataset that is checked, and its short runs."""

import contextlib
import copy
import functools
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from omegaconf import OmegaConf
from pytorch_lightning.utilities.seed import isolate_rng

from dlpipe.config.checks.config_checks import Job
from dlpipe.config.prepare import prepare
from dlpipe.errors import DlpipeError
from dlpipe.plugins import registry
from dlpipe.testing.result import Broken, NotApplicable
from dlpipe.training.run import run

# the minibatches of two epochs, enough for chunks, and for what happens between two epochs
SHORT = ("recipe.max_epochs=2", "trainer.limit_train_batches=5", "tune_memory=false")


class Subject:
    """A registered model or dataset, and what the checks have found so far.

    Args:
        kind: model or dataset.
        name: as in ``model=NAME``.
        overrides: as on the command line.
        imported: which of torch and the plugins' modules a listing imports, as `imported_by_listing` finds.
    """

    def __init__(
        self, kind: registry.Kind, name: str, overrides: Sequence[str], imported: Callable[[], list[str]]
    ) -> None:
        self.kind = kind
        self.name = name
        self.overrides = list(overrides)
        self.imported = imported
        self.results: dict[str, Any] = {}  # by check

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    @property
    def entry(self) -> registry.PluginEntry:
        """Where it is registered."""
        return registry.find(self.kind, self.name)

    @functools.cached_property
    def _folder(self) -> str:
        folder = tempfile.mkdtemp(prefix="dlpipe-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def new_directory(self) -> Path:
        """An empty directory, which is removed together with this object."""
        return Path(tempfile.mkdtemp(dir=self._folder))


def with_values(job: Job, values: Mapping[str, Any]) -> Job:
    """A job with other values in its config, by dotted key; ``recipe`` values are those of every stage too."""
    overrides, config = copy.deepcopy(job)
    for key, value in values.items():
        OmegaConf.update(config, key, value, force_add=True)
        for stage in config.recipe.stages if key in ("recipe.max_epochs", "recipe.patience") else ():
            OmegaConf.update(config, key.replace("recipe.", f"recipe.stages.{stage}."), value, force_add=True)
    return overrides, config


def train(subject: Subject, job: Job, values: Mapping[str, Any], directory: Path | None = None) -> Path:
    """The directory of a run of this job with other values.

    Raises:
        Broken: it failed.
    """
    _, config = with_values(job, values)
    directory = directory or subject.new_directory()
    words = " ".join(f"{key}={value}" for key, value in values.items())
    with broken_if_it_fails(f"the run of {subject}{f' with {words}' if words else ''}"), without_figures():
        run(prepare(config, check_data=False).relocated(str(directory)))
    return directory


@contextlib.contextmanager
def without_figures() -> Iterator[None]:
    """Draw none: they take half of the time of a short run, and the first run of `every_step_runs` has drawn them."""
    with mock.patch("dlpipe.training.run.draw"):
        yield


@contextlib.contextmanager
def broken_if_it_fails(what: str) -> Iterator[None]:
    """Report any exception as one of the plugin's, which may raise all kinds."""
    try:
        yield
    except NotApplicable:
        raise
    except Exception as error:
        message = str(error) if isinstance(error, DlpipeError) else f"{type(error).__name__}: {error}"
        raise Broken(f"{what} failed: {message}") from error


@contextlib.contextmanager
def unchanged_process() -> Iterator[None]:
    """Give the process back its random number generators, its number of threads and its choice of algorithms."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with isolate_rng():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
