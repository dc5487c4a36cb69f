"""``predict RUN FILES``: labels and probabilities for pictures, or what a model of texts says of them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

from dlpipe.cli.verbs.opened import opened
from dlpipe.cli.verbs.parser import Parser
from dlpipe.config.stored_run import StoredRun
from dlpipe.data import TensorDataModule
from dlpipe.data.images import read_images
from dlpipe.data.pixels import scale_pixels
from dlpipe.errors import DlpipeError

FIRST = 10  # as the tutorial's predict()


def main(run_dir: str, *words: str) -> int:
    """Print a line a picture; without files, the first ten test examples with their true labels.

    A model of texts, which has a ``predict_text(text, data)`` that gives lines, is given ``--text TEXT``, or each line
    of files of text, also one that is empty; ``-`` is standard input.

    Raises:
        DlpipeError: the folder is no run's, its model predicts nothing, or a file is not what it takes.
    """
    asked = _asked(words)
    with opened(run_dir) as run:
        if hasattr(run.model, "predict_text"):
            _predict_texts(run, asked.text, asked.files)
            return 0
        if asked.text is not None:
            raise DlpipeError(f"model {run.config.model.name!r} takes no text: it has no predict_text; name files")
        files = tuple(asked.files)
        if not is_overridden("predict_step", run.model, LightningModule):
            raise DlpipeError(f"model {run.config.model.name!r} cannot predict: it has no predict_step")
        for name, x, truth in _examples(run, files):
            for index, row in enumerate(probabilities(run, x)):
                label = int(row.argmax())
                which = f"{name}[{index}]" if len(x) > 1 else name
                true = f", true label {int(truth[index])}" if truth is not None else ""
                print(f"{which}: {label}, probability {float(row[label]):.6f}{true}")
    return 0


def _asked(words: tuple[str, ...]) -> argparse.Namespace:
    parser = Parser("predict")
    parser.add_argument("--text")
    parser.add_argument("files", nargs="*")
    return parser.parse_args(words)


def _predict_texts(run: StoredRun, text: str | None, files: list[str]) -> None:
    """Print what the model says of each text, with an empty line between two."""
    if (text is None) == (not files):
        message = "not both" if files else "or files of a text a line"
        raise DlpipeError(f"model {run.config.model.name!r} reads texts: give --text TEXT, {message}")
    texts = [text] if text is not None else [line for file in files for line in _lines(file)]
    data = run.data()
    for index, own in enumerate(texts):
        if index:
            print()
        print(*run.model.predict_text(own, data), sep="\n")  # type: ignore[operator]  # a method of anybody's module


def _lines(file: str) -> list[str]:
    """The lines of a file of text."""
    try:
        # Excel and Notepad put a mark at the beginning
        content = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DlpipeError(f"{file} cannot be read as text: {error}") from error
    if not content:
        raise DlpipeError(f"{file} is empty")
    return content.removesuffix("\n").split("\n")


def probabilities(run: StoredRun, x: Tensor) -> Tensor:
    """Class probabilities (examples, num_classes) of x (examples, features)."""
    predict: Callable[..., Any] = run.model.predict_step
    with run.inference():
        return predict((run.convert(x),), 0)  # type: ignore[no-any-return]  # a hook of anybody's module


def _examples(run: StoredRun, files: tuple[str, ...]) -> list[tuple[str, Tensor, Tensor | None]]:
    """Name, examples and true labels; every file is read before anything is printed."""
    if files:
        shape = list(run.config.dataset.image_shape)
        return [(file, read_images(Path(file), shape), None) for file in files]
    data = run.data()
    if not isinstance(data, TensorDataModule):
        raise DlpipeError(f"dataset {run.config.dataset.name!r} has no resident test set; name files to predict")
    test = data.splits["test"].first(FIRST)
    return [("test", scale_pixels(test.x), test.y)]
