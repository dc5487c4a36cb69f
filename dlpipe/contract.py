"""What dlpipe calls on modules, datasets, callbacks and loggers beyond what Lightning calls: every method is optional.

A class defines those that it wants, with no base class of ours; docs/plugin-tutorial.md says when each is called.
"""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor

if TYPE_CHECKING:
    from dlpipe.stages import Stage

Figures = dict[str, NDArray[np.uint8]]  # name to picture: (height, width) or (height, width, 3)


class Module(Protocol):
    """Of a LightningModule."""

    def stages(self) -> "Sequence[Stage]":
        """The stages in which it is trained, in order."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups for the composed optimizer."""

    def penalty(self) -> Tensor:
        """What weight decay adds to the loss, a scalar; the reported train/loss contains it."""

    def check_data(self, data: LightningDataModule) -> None:
        """Raise DataError for a dataset that the module cannot be trained on."""

    def figures(self) -> Figures:
        """Pictures of the weights."""

    def data_figures(self, data: LightningDataModule) -> Figures:
        """Pictures of what the module does with the data."""

    def sample(self, count: int, data: LightningDataModule) -> dict[str, NDArray[Any] | bytes]:
        """File name to content of ``count`` samples."""

    def predict_text(self, text: str, data: LightningDataModule) -> Sequence[str]:
        """Lines that answer a text."""


class DataModule(Protocol):
    """Of a LightningDataModule.

    If its config has ``class_names``, a list by label, `predict` prints these names.
    """

    def options_from_files(self) -> dict[str, Any]:
        """Options that its config leaves null because only its files tell them, such as num_classes.

        Called before `prepare_data` and before the model is built, whose ``${dataset.num_classes}`` has the value then.
        The run's config.yaml stores the options, so it is not called for a run that is resumed. Read no more than
        needed: names and headers, not 100,000 pictures. Strings, numbers, lists and dicts only.
        """

    def read_examples(self, path: Path) -> Tensor:
        """The examples in a file to predict: x (examples, ...) in the form of its own, by its options alone.

        Called without `prepare_data` and `setup`: the training data may not be here.
        """

    def texts_of(self, content: str) -> Sequence[str]:
        """The texts to predict in the content of a file; without the method, a text a line.

        Called after `setup`. A ValueError says what is wrong with the file, and `predict` adds its name.
        """

    def checksums(self) -> dict[str, str]:
        """Name to sha256 of the files that the data comes from."""


class Callback(Protocol):
    """Of a Lightning callback."""

    def on_safe_point(self, trainer: Any, pl_module: Any) -> None:
        """Called where a run can be saved and resumed exactly: between two steps, and between two epochs."""

    def next_update(self) -> float:
        """The next count of updates after which the hooks of every minibatch have to be called; infinity for any."""

    def on_minibatches(self, losses: list[Tensor]) -> None:
        """The losses (scalars) of minibatches that the hooks were not called for."""

    def on_run_end(self, run_dir: Path) -> None:
        """Called on rank 0 when a finished run has written everything; an exception is logged and loses nothing."""


class Logger(Protocol):
    """Of a Lightning logger."""

    def position(self) -> dict[str, Any]:
        """Where its record ends."""

    def rewind(self, position: dict[str, Any]) -> None:
        """Truncate the record to a position."""

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        """Show pictures, as Lightning's loggers do."""


METHODS = frozenset(
    name for protocol in (Module, DataModule, Callback, Logger) for name in vars(protocol) if name[0] != "_"
)


def defines(cls: type[Any], name: str) -> bool:
    """Whether a class defines the optional method of this name."""
    assert name in METHODS, name
    method = inspect.getattr_static(cls, name, None)
    return inspect.isroutine(method) or isinstance(method, (staticmethod, classmethod))


def optional_method(owner: Any, name: str) -> Callable[..., Any] | None:
    """The method of this name that the owner's class defines; None where it defines none.

    An attribute of the same name, such as ``self.stages = nn.ModuleList(...)`` or ``self.penalty = 0.1``, is not one.
    """
    cls = type(owner)
    if not defines(cls, name):
        return None
    return inspect.getattr_static(cls, name).__get__(owner, cls)  # type: ignore[no-any-return]  # a bound method
