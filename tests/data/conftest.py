"""Fixtures of the tests of datasets: idx files, a small idx dataset, and a network that is down."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests

from dlpipe.data import IdxFiles, IdxImages, RemoteFile

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the real data; a test that needs it requests `real_mnist`."""
    monkeypatch.delenv("DLPIPE_DATA", raising=False)


@pytest.fixture(scope="session")
def module_options() -> Callable:
    """Arguments of `TensorDataModule` for images of 4 x 4 in two classes."""
    plain = {
        "image_shape": [1, 4, 4],
        "num_features": 16,
        "num_classes": 2,
        "batch_size": 10,
        "shuffle": False,
        "drop_last": False,
        "eval_batch_size": 2500,
        "eval_drop_last": False,
        "seed": 1234,
    }
    return lambda **changes: plain | changes


@pytest.fixture(scope="session")
def idx_bytes() -> Callable:
    """Converts an array of unsigned bytes to an idx file, as the format specifies."""
    return lambda array: struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="session")
def bars(idx_bytes) -> dict[str, bytes]:
    """Four idx files of 4 x 4 images: a bar in the left half is class 0, in the right class 1; 60 train, 20 test."""
    rng = np.random.default_rng(0)
    files = {}
    for split, count in (("train", 60), ("test", 20)):
        labels = rng.integers(2, size=count).astype(np.uint8)
        images = np.zeros((count, 4, 4), np.uint8)
        images[np.arange(count), :, 2 * labels + rng.integers(2, size=count)] = 255
        files |= {f"{split}_images": gzip.compress(idx_bytes(images)), f"{split}_labels": idx_bytes(labels)}
    return files


@pytest.fixture
def bars_dataset(bars) -> Callable:
    """Makes an idx dataset of the bars with the checksums of the given files; ``mirrors`` are base URLs."""

    def make(files: dict[str, bytes] = bars, mirrors: tuple[str, ...] = ()) -> type[IdxImages]:
        remote = {
            name: RemoteFile(name, hashlib.sha256(files[name]).hexdigest(), tuple(url + name for url in mirrors))
            for name in NAMES
        }

        class Bars(IdxImages):
            dataset_name = "bars"
            idx_files = IdxFiles(**remote)
            num_validation = 20

        return Bars

    return make


@pytest.fixture
def write() -> Callable:
    """Writes files into a folder, which is created."""

    def write_all(folder: Path, files: dict[str, bytes]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return write_all


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were requested from a network that is down."""
    urls = []

    def get(url: str, **options: object) -> None:
        urls.append(url)
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", get)
    return urls
