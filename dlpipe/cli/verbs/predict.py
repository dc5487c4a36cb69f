"""Predict examples of files, what a text model says of texts, or test examples."""

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils._pytree import tree_map

from dlpipe.cli.run_errors import open_stored_run
from dlpipe.config.stored_run import StoredRun
from dlpipe.contract import optional_method
from dlpipe.data import Split, TensorDataModule
from dlpipe.data.picture_files import has_light_ground, read_images
from dlpipe.data.pixel_scaling import scale_pixels
from dlpipe.errors import DataError, DlpipeError
from dlpipe.figures import predict_batch
from dlpipe.runs.directory import PREDICTIONS, check_links, check_writable
from dlpipe.runs.predictions import replace_predictions, write_predictions
from dlpipe.training.build import build_dataset
from dlpipe.training.distributed.sharding import UnshardedLoader
from dlpipe.training.quiet import quiet_lightning

FIRST = 10  # as the tutorial's predict()


class _Examples(NamedTuple):
    """Examples of one file, or of the test set."""

    name: str
    batch: Split
    labels: Tensor | None

    @property
    def names(self) -> list[str]:
        count = len(self.batch.x)
        return [f"{self.name}[{index}]" for index in range(count)] if count > 1 else [self.name]


def main(arguments: argparse.Namespace) -> int:
    """Print the class of each file's images, or of the first ten test examples; write predictions that are no classes.

    What ``predict_step`` returns for the whole test set is written if it is no class probabilities, or with ``--all``.
    A model with a ``predict_text(text, data)``, which returns lines, gets ``--text TEXT``, or each text of the files:
    those that the dataset's ``texts_of(content)`` finds, or each line, including empty lines.
    """
    if arguments.all and (arguments.files or arguments.text is not None):
        raise DlpipeError("--all predicts the test set: give no FILE and no --text with it")
    with open_stored_run(arguments.run) as run:
        if optional_method(run.model, "predict_text") and not arguments.all:
            _predict_texts(run, arguments.text, arguments.files)
        elif arguments.text is not None:
            raise DlpipeError(f"model {run.config.model.name!r} takes no text: it has no predict_text; name files")
        else:
            _predict(run, arguments.files, arguments.all)
    return 0


def _predict(run: StoredRun, files: list[str], whole_test_set: bool) -> None:
    is_own = is_overridden("predict_step", run.model, LightningModule)
    if not is_own:
        _predict_with_forward(run)
    examples = _file_examples(run, files) if files else [] if whole_test_set else _first_examples(run)
    predictions = [_predict_step(run, each.batch) for each in examples]
    if examples and is_own and all(_is_probabilities(run, prediction) for prediction in predictions):
        _print_classes(run, examples, predictions)
        return
    check_links(run.directory)
    check_writable(run.directory)
    names = [name for each in examples for name in each.names] if files else None
    batches = [predictions] if files else _predict_test_set(run)
    root = run.directory / PREDICTIONS
    with replace_predictions(root):
        for index, of_loader in enumerate(batches):
            print(write_predictions(root / (str(index) if len(batches) > 1 else ""), of_loader, names))


def _predict_with_forward(run: StoredRun) -> None:
    """Let a model without ``predict_step`` predict ``forward(x)``; Lightning's own gives forward the whole batch.

    Raises:
        DlpipeError: it has no ``forward`` either.
    """
    model, name = run.model, run.config.model.name
    if not is_overridden("forward", model, LightningModule):
        raise DlpipeError(f"model {name!r} cannot predict: it has no predict_step, and no forward")

    def predict_step(batch: Any, batch_idx: int) -> Any:
        return model(batch[0] if isinstance(batch, (list, tuple)) else batch)

    model.predict_step = predict_step  # type: ignore[method-assign]
    print(f"model {name!r} has no predict_step: its forward(x) is called with the first item of each batch")


def _predict_step(run: StoredRun, batch: Split) -> Any:
    with run.inference():
        return predict_batch(run.model, Split(run.trainer.precision_plugin.convert_input(batch.x), batch.y), 0)


def _predict_test_set(run: StoredRun) -> list[list[Any]]:
    """What ``predict_step`` returns for each batch of each of the dataset's DataLoaders, in the dataset's order."""
    data = run.data()
    if isinstance(data, TensorDataModule):
        data.eval_drop_last = False
    hooks = ("predict_dataloader", "test_dataloader")
    name = next((name for name in hooks if is_overridden(name, data, LightningDataModule)), None)
    if name is None:
        message = "has no predict_dataloader and no test_dataloader; name files to predict"
        raise DlpipeError(f"dataset {run.config.dataset.name!r} {message}")
    hook = getattr(data, name)
    # Lightning would build a DataLoader again to note the indices of its batches, and cannot build every subclass
    data.predict_dataloader = lambda: tree_map(UnshardedLoader, hook())  # type: ignore[method-assign]
    with quiet_lightning():
        predictions: Any = run.trainer.predict(run.model, datamodule=data)
    return predictions if len(run.trainer.num_predict_batches) > 1 else [predictions]


def _is_probabilities(run: StoredRun, prediction: Any) -> bool:
    """Whether a prediction has a probability for each class of the dataset: (examples, num_classes)."""
    num_classes = run.config.dataset.get("num_classes")
    is_floats = isinstance(prediction, Tensor) and prediction.is_floating_point()
    return is_floats and num_classes is not None and prediction.shape[1:] == (num_classes,)


def _print_classes(run: StoredRun, examples: list[_Examples], predictions: list[Tensor]) -> None:
    class_names = run.config.dataset.get("class_names")

    def class_name(label: int) -> Any:
        return class_names[label] if class_names else label

    for each, probabilities in zip(examples, predictions, strict=True):
        for index, (name, row) in enumerate(zip(each.names, probabilities, strict=True)):
            label = int(row.argmax())
            true = f", true label {class_name(int(each.labels[index]))}" if each.labels is not None else ""
            print(f"{name}: {class_name(label)}, probability {float(row[label]):.6f}{true}")


def _predict_texts(run: StoredRun, text: str | None, files: list[str]) -> None:
    """Print what the model says of each text, with an empty line between two."""
    if (text is None) == (not files):
        message = "not both" if files else "or files of a text a line"
        raise DlpipeError(f"model {run.config.model.name!r} reads texts: give --text TEXT, {message}")
    contents = [(file, _content(file)) for file in files]
    data = run.data()
    texts = [text] if text is not None else [part for file, content in contents for part in _texts(file, content, data)]
    for index, line in enumerate(texts):
        if index:
            print()
        print(*run.model.predict_text(line, data), sep="\n")  # type: ignore[operator]  # an optional method


def _texts(file: str, content: str, data: LightningDataModule) -> Sequence[str]:
    """The texts in a file: those that the dataset finds in it, or a text a line."""
    find = optional_method(data, "texts_of")
    try:
        return find(content) if find else content.removesuffix("\n").split("\n")
    except ValueError as error:
        raise DlpipeError(f"{file}: {error}") from error


def _content(file: str) -> str:
    try:
        # Excel and Notepad begin a file with a byte order mark
        content = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DlpipeError(f"{file} cannot be read as text: {error}") from error
    if not content:
        raise DlpipeError(f"{file} is empty")
    return content


def _file_examples(run: StoredRun, files: list[str]) -> list[_Examples]:
    """The examples of each file, as the dataset reads them.

    Without a method of its own, images: flat, or of its image_shape if it has no num_features.
    """
    config = run.config.dataset
    if read := optional_method(build_dataset(config), "read_examples"):
        return [_Examples(file, Split.unlabelled(read(Path(file))), None) for file in files]
    if config.get("image_shape") is None:
        message = (
            "has no image_shape, so files cannot be read as its examples; without files, its test set is predicted"
        )
        raise DlpipeError(f"dataset {config.name!r} {message}")
    channels, height, width = config.image_shape
    ground = functools.cache(lambda: _has_dark_ground(run, height, width))
    examples = []
    for file in files:
        x = read_images(Path(file), [channels, height, width], ground)
        if config.get("num_features") is None:
            x = x.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        examples.append(_Examples(file, Split.unlabelled(x), None))
    return examples


def _first_examples(run: StoredRun) -> list[_Examples]:
    """The first test examples of a dataset of tensors with labels; none of another dataset."""
    data = run.data()
    if not isinstance(data, TensorDataModule) or data.num_classes is None:
        return []
    x, y = data.splits["test"].first(FIRST)
    return [_Examples("test", Split(scale_pixels(x), y), y)] if y.ndim == 1 else []


def _has_dark_ground(run: StoredRun, height: int, width: int) -> bool | None:
    """Whether the images that the model was trained on are light on dark; None if they are not here."""
    try:
        data = run.data()
    except DataError:
        return None
    if not isinstance(data, TensorDataModule):
        return None
    x = scale_pixels(data.splits["test"].first(100).x)
    return not has_light_ground(256 * x.cpu().reshape(-1, height, width).numpy())
