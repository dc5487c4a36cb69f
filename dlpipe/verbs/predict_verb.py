"""``predict RUN FILES``: labels and probabilities for pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

from dlpipe.data import TensorDataModule
from dlpipe.data.pixels import floating
from dlpipe.errors import DlpipeError
from dlpipe.finished_run import FinishedRun
from dlpipe.images import read_images
from dlpipe.verbs.opened import opened

FIRST = 10  # as the tutorial's predict()


def main(run_dir: str, *files: str) -> int:
    """Print a line a picture; without files, the first ten test examples with their true labels.

    Raises:
        DlpipeError: the folder is no run's, its model predicts no probabilities, or a file is not such a picture.
    """
    with opened(run_dir) as run:
        if not is_overridden("predict_step", run.model, LightningModule):
            raise DlpipeError(f"model {run.cfg.model.name!r} cannot predict: it has no predict_step")
        for name, x, truth in _examples(run, files):
            for index, row in enumerate(probabilities(run.model, x)):
                label = int(row.argmax())
                which = f"{name}[{index}]" if len(x) > 1 else name
                true = f", true label {int(truth[index])}" if truth is not None else ""
                print(f"{which}: {label}, probability {float(row[label]):.6f}{true}")
    return 0


def probabilities(model: LightningModule, x: Tensor) -> Tensor:
    """Class probabilities (examples, num_classes) of x (examples, features)."""
    predict: Callable[..., Any] = model.predict_step
    with torch.inference_mode():
        return predict((x,), 0)  # type: ignore[no-any-return]  # a hook of anybody's module


def _examples(run: FinishedRun, files: tuple[str, ...]) -> list[tuple[str, Tensor, Tensor | None]]:
    """Name, examples and true labels; every file is read before anything is printed."""
    if files:
        shape = list(run.cfg.dataset.image_shape)
        return [(file, read_images(Path(file), shape), None) for file in files]
    data = run.data()
    if not isinstance(data, TensorDataModule):
        raise DlpipeError(f"dataset {run.cfg.dataset.name!r} has no resident test set; name files to predict")
    test = data.splits["test"].first(FIRST)
    return [("test", floating(test.x), test.y)]
