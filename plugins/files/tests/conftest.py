"""Fixtures: data that no one here has made, in the forms that this plugin reads, and a writer of idx files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn import datasets

SIDE = 40


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two photographs of scikit-learn, cut into 48 patches of 40 x 40 each: a class is a photograph."""
    folder = tmp_path_factory.mktemp("photographs")
    for name, image in zip(("china", "flower"), datasets.load_sample_images().images, strict=True):
        (folder / name).mkdir()
        corners = [(top, left) for top in range(0, 400, 50) for left in range(0, 600, 100)]
        for number, (top, left) in enumerate(corners):
            patch = Image.fromarray(image[top : top + SIDE, left : left + SIDE])
            patch.save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six grey pictures of 8 x 6 in each of two classes: dark cats, light dogs."""
    generator = np.random.default_rng(0)
    for name, level in (("cat", 0), ("dog", 200)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(6):
            pixels = level + generator.integers(0, 50, (6, 8)).astype(np.uint8)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 178 wines of scikit-learn: 13 numbers, three classes."""
    path = tmp_path_factory.mktemp("table") / "wine.csv"
    datasets.load_wine(as_frame=True).frame.to_csv(path, index=False)
    return path


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An array as an idx file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture(scope="session")
def write_idx() -> Callable[[Path, NDArray[np.uint8]], None]:
    """Writes an array as an idx file."""

    def write(path: Path, array: NDArray[np.uint8]) -> None:
        path.write_bytes(idx_bytes(array))

    return write


@pytest.fixture
def digits(tmp_path: Path, write_idx: Callable[[Path, NDArray[np.uint8]], None]) -> Path:
    """The 1,797 digits of scikit-learn in four idx files whose names say nothing: 1,400 for training."""
    folder = tmp_path / "digits"
    folder.mkdir()
    pixels, labels = datasets.load_digits(return_X_y=True)
    images, labels = (pixels * 15).astype(np.uint8).reshape(-1, 8, 8), labels.astype(np.uint8)
    for name, array in zip("abcd", (images[1400:], labels[:1400], images[:1400], labels[1400:]), strict=True):
        write_idx(folder / name, array)
    return folder


@pytest.fixture
def options() -> dict[str, object]:
    """What every dataset of tensors takes."""
    return {
        "batch_size": 10,
        "shuffle": False,
        "drop_last": False,
        "eval_batch_size": 100,
        "eval_drop_last": False,
        "seed": 1234,
    }
