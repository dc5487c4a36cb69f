"""Predict labels of images, or what a text model says of texts; by default, of ten test examples."""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

from dlpipe.cli.run_errors import open_stored_run
from dlpipe.config.stored_run import StoredRun
from dlpipe.contract import optional_method
from dlpipe.data import TensorDataModule
from dlpipe.data.picture_files import has_light_ground, read_images
from dlpipe.data.pixel_scaling import scale_pixels
from dlpipe.errors import DataError, DlpipeError

FIRST = 10  # as the tutorial's predict()


def main(arguments: argparse.Namespace) -> int:
    """Print a line per image; without files, for the first ten test examples, with their true labels.

    A model with a ``predict_text(text, data)``, which returns lines, gets ``--text TEXT``, or each line of the files,
    including empty lines.
    """
    with open_stored_run(arguments.run) as run:
        if optional_method(run.model, "predict_text"):
            _predict_texts(run, arguments.text, arguments.files)
        elif arguments.text is not None:
            raise DlpipeError(f"model {run.config.model.name!r} takes no text: it has no predict_text; name files")
        else:
            _predict_images(run, arguments.files)
    return 0


def _predict_images(run: StoredRun, files: list[str]) -> None:
    if not is_overridden("predict_step", run.model, LightningModule):
        raise DlpipeError(f"model {run.config.model.name!r} cannot predict: it has no predict_step")
    predict: Callable[..., Any] = run.model.predict_step
    for name, x, labels in _examples(run, files):
        with run.inference():
            probabilities = predict((run.trainer.precision_plugin.convert_input(x),), 0)  # (examples, num_classes)
        for index, row in enumerate(probabilities):
            label = int(row.argmax())
            example = f"{name}[{index}]" if len(x) > 1 else name
            true = f", true label {int(labels[index])}" if labels is not None else ""
            print(f"{example}: {label}, probability {float(row[label]):.6f}{true}")


def _predict_texts(run: StoredRun, text: str | None, files: list[str]) -> None:
    """Print what the model says of each text, with an empty line between two."""
    if (text is None) == (not files):
        message = "not both" if files else "or files of a text a line"
        raise DlpipeError(f"model {run.config.model.name!r} reads texts: give --text TEXT, {message}")
    texts = [text] if text is not None else [line for file in files for line in _lines(file)]
    data = run.data()
    for index, line in enumerate(texts):
        if index:
            print()
        print(*run.model.predict_text(line, data), sep="\n")  # type: ignore[operator]  # an optional method


def _lines(file: str) -> list[str]:
    try:
        # Excel and Notepad begin a file with a byte order mark
        content = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DlpipeError(f"{file} cannot be read as text: {error}") from error
    if not content:
        raise DlpipeError(f"{file} is empty")
    return content.removesuffix("\n").split("\n")


def _examples(run: StoredRun, files: list[str]) -> list[tuple[str, Tensor, Tensor | None]]:
    """Name, examples and true labels; every file is read before anything is printed."""
    if files:
        shape = list(run.config.dataset.image_shape)
        ground = functools.cache(lambda: _has_dark_ground(run))
        return [(file, read_images(Path(file), shape, ground), None) for file in files]
    data = run.data()
    if not isinstance(data, TensorDataModule):
        raise DlpipeError(f"dataset {run.config.dataset.name!r} has no resident test set; name files to predict")
    test = data.splits["test"].first(FIRST)
    return [("test", scale_pixels(test.x), test.y)]


def _has_dark_ground(run: StoredRun) -> bool | None:
    """Whether the images that the model was trained on are light on dark; None if they are not here."""
    try:
        data = run.data()
    except DataError:
        return None
    if not isinstance(data, TensorDataModule):
        return None
    x = scale_pixels(data.splits["test"].first(100).x)
    return not has_light_ground(256 * x.cpu().reshape(-1, *data.image_shape[1:]).numpy())
