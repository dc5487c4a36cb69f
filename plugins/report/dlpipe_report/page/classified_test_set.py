"""How a run classifies its test set: computed once, and kept in the run's directory with misclassified examples."""

import contextlib
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import dlpipe
from dlpipe.atomic import atomic_write
from dlpipe_report.page.pictures import is_inside

FILE = Path("predictions", "test_labels.npz")
WEIGHTS = "weights.safetensors"
MAX_EXAMPLES = 120
MAX_SIDE = 64  # pixels of an example's picture


@dataclass(frozen=True)
class ClassifiedTestSet:
    """The classes of all test examples, and some examples that are misclassified.

    Args:
        labels: true class of each example (examples,).
        predicted: predicted class (examples,).
        probability: that the model gives the predicted class (examples,).
        num_classes: how many classes there are.
        shown: indices of misclassified examples (shown,).
        pictures: of these, uint8 (shown, height, width) or (shown, height, width, 3); (0,) if they are no pictures.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]
    num_classes: int
    shown: NDArray[np.int64]
    pictures: NDArray[np.uint8]

    @property
    def is_consistent(self) -> bool:
        """Whether labels are classes and indices are examples: a dataset, or a file, may hold others."""
        classes = np.concatenate([self.labels, self.predicted])
        same_length = self.labels.shape == self.predicted.shape == self.probability.shape
        pictured = self.pictures.ndim == 1 or (self.pictures.ndim in (3, 4) and len(self.pictures) == len(self.shown))
        integers = all(
            array.ndim == 1 and array.dtype.kind in "iu" for array in (self.labels, self.predicted, self.shown)
        )
        return bool(
            same_length
            and integers
            and pictured
            and self.pictures.dtype == np.uint8
            and ((classes >= 0) & (classes < self.num_classes)).all()
            and ((self.shown >= 0) & (self.shown < len(self.labels))).all()
        )


def classified_test_set(run: dlpipe.Run) -> ClassifiedTestSet | str:
    """From the file in the run's directory if it is of the same weights, else computed; or why there is none."""
    if run.status != "finished":
        return f"the run's status is {run.status}"
    weights = run.directory / WEIGHTS
    if not weights.is_file():
        return f"the run has no {WEIGHTS}"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = run.directory / FILE
    kept = _read(path, digest) if is_inside(path, run.directory) else None
    if kept:
        return kept
    computed = _compute(run)
    if isinstance(computed, ClassifiedTestSet) and is_inside(path, run.directory):
        with contextlib.suppress(OSError):  # the directory is read-only, or the disk full
            _write(path, computed, digest)
    return computed


def choose_examples(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probability: NDArray[np.float64],
    limit: int = MAX_EXAMPLES,
) -> NDArray[np.int64]:
    """Indices of misclassified examples: in turn of each pair of classes, the most confident first."""
    wrong = np.flatnonzero(labels != predicted)
    wrong = wrong[np.argsort(-probability[wrong], kind="stable")]
    turns: dict[tuple[int, int], int] = {}
    order = []
    for index in wrong:
        pair = int(labels[index]), int(predicted[index])
        order.append(turns.setdefault(pair, 0))
        turns[pair] += 1
    return np.sort(wrong[np.argsort(order, kind="stable")][:limit])


def to_pixels(examples: NDArray[Any]) -> NDArray[np.uint8]:
    """Pictures (examples, channels, height, width) as uint8 with the channels last, none longer than `MAX_SIDE`.

    (0,) if there are neither 1 nor 3 channels. All are scaled by the least and the greatest value of all.
    """
    if examples.ndim != 4 or examples.shape[1] not in (1, 3) or not len(examples):
        return np.zeros(0, np.uint8)
    low, high = float(examples.min()), float(examples.max())
    pixels = np.asarray((examples - low) * (255 / ((high - low) or 1)), np.uint8).transpose(0, 2, 3, 1)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return np.stack([_shrink(picture) for picture in pixels])


def _shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(picture.shape[:2]) <= MAX_SIDE:
        return picture
    image = Image.fromarray(picture)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.asarray(image)


def _compute(run: dlpipe.Run) -> ClassifiedTestSet | str:
    try:
        classified = run.classify_test_set()
        if classified is None:
            name = run.config.model.name
            return f"model {name} on {run.config.dataset.name} gives no class probabilities of labelled test examples"
        labels, probabilities = classified
        predicted = probabilities.argmax(1)
        probability = probabilities[np.arange(len(labels)), predicted].astype(np.float64)
        shown = choose_examples(labels, predicted, probability)
        pictures = _pictures(run, shown)
    except dlpipe.DlpipeError as error:
        return " ".join(str(error).split())
    except Exception as error:  # a model's and a dataset's own code may raise anything
        return f"the test set could not be classified: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    computed = ClassifiedTestSet(labels, predicted, probability, probabilities.shape[1], shown, pictures)
    return computed if computed.is_consistent else "the test set has labels that are no classes"


def _pictures(run: dlpipe.Run, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The pictures of test examples; (0,) if the dataset's are no pictures."""
    shape = run.config.dataset.get("image_shape")
    if not shape or not len(indices):
        return np.zeros(0, np.uint8)
    found, start = [], 0
    for x, *_ in run.data.test_dataloader():
        own = indices[(indices >= start) & (indices < start + len(x))] - start
        found.append(x[own].double().numpy().reshape(-1, *shape))
        start += len(x)
    return to_pixels(np.concatenate(found))


def _read(path: Path, digest: str) -> ClassifiedTestSet | None:
    """The content of a file; None if it is absent, damaged, or of other weights."""
    try:
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile) or str(content["weights"]) != digest:
                return None
            arrays = {name: content[name] for name in ("labels", "predicted", "probability", "shown", "pictures")}
            kept = ClassifiedTestSet(num_classes=int(content["num_classes"]), **arrays)
            return kept if kept.is_consistent else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, content: ClassifiedTestSet, digest: str) -> None:
    with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
        np.savez_compressed(file, weights=np.array(digest), **vars(content))
