"""The plugin keeps the contract: docs/plugin-tutorial.md, "Test it"."""

import shutil
import tempfile
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

from dlpipe.testing import contract_tests

FOLDER = Path(tempfile.mkdtemp())
FILES = {
    "image_folder": [f"dataset.directory={FOLDER}/photographs"],
    "table": [f"dataset.file={FOLDER}/wine.csv"],
    "idx": [f"dataset.directory={FOLDER}"],
}


@pytest.fixture(scope="module", autouse=True)
def files(photographs, wine, write_idx):
    shutil.copytree(photographs, FOLDER / "photographs")
    shutil.copy(wine, FOLDER)
    digits = load_digits()
    for name, rows in (("train", slice(0, 800)), ("test", slice(800, 1000))):
        write_idx(FOLDER / f"{name}-images", digits.images[rows].astype("uint8"))
        write_idx(FOLDER / f"{name}-labels", digits.target[rows].astype("uint8"))
    yield
    shutil.rmtree(FOLDER)


test_contract = contract_tests("dlpipe-files", FILES)
