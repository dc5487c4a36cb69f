"""MNIST: where it is searched for, and its content."""

import gzip
import hashlib
import json

import numpy as np
import pytest
import torch

from dlpipe import DataError
from dlpipe.data import RemoteFile
from dlpipe.data.mnist import MIRRORS, Mnist

FILES = [file.name for file in Mnist.idx_files]


@pytest.fixture(scope="module")
def options(module_options):
    """Arguments of `Mnist`."""
    return module_options(image_shape=[1, 28, 28], num_features=784, num_classes=10)


def refused(result, *message):
    """Check that a command was refused: exit code 2, the message, and nothing written."""
    assert result.code == 2
    for text in message:
        assert text in result.err
    assert result.written == []


def test_offline_without_data_is_refused_and_the_error_says_where_to_put_the_files(asked, cli, own_cache):
    result = cli("model=logreg", "dataset=mnist", "offline=true")
    refused(result, f"no mnist in {own_cache}/dlpipe/mnist (expected files: ", *FILES, "DLPIPE_DATA", "dataset=digits")
    assert asked == []


def test_without_data_and_network_the_error_names_the_failed_mirrors(asked, cli):
    result = cli("model=logreg", "dataset=mnist")
    refused(result, "no mnist in", *(f"{mirror}{FILES[0]}: ConnectionError" for mirror in MIRRORS))
    assert asked == [mirror + FILES[0] for mirror in MIRRORS]


def test_the_error_names_every_folder_that_was_searched(asked, cli, own_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("DLPIPE_DATA", str(tmp_path))
    refused(cli("model=logreg", "dataset=mnist"), f"no mnist in {tmp_path}/mnist or {own_cache}/dlpipe/mnist")


def test_a_directory_that_does_not_exist_is_refused(asked, cli):
    result = cli("model=logreg", "dataset=mnist", "dataset.directory=typo")
    refused(result, f"dataset.directory={result.folder / 'typo'} is not a folder")
    assert asked == []


def test_files_with_wrong_checksums_are_refused_and_the_error_names_both_checksums(asked, cli, write, tmp_path):
    write(tmp_path, dict.fromkeys(FILES, b"other"))
    wanted = Mnist.idx_files.train_images.sha256
    result = cli("model=logreg", "dataset=mnist", f"dataset.directory={tmp_path}")
    refused(result, FILES[0], f"its sha256 is {hashlib.sha256(b'other').hexdigest()}, expected {wanted}")


def test_loading_without_files_is_an_error(options):
    with pytest.raises(DataError, match="no mnist in"):
        Mnist(**options).load_splits()


def test_idx_files_are_preferred_to_a_legacy_pickle(options, write, tmp_path):
    write(tmp_path, dict.fromkeys([*FILES, "mnist.pkl.gz"], b"other"))
    with pytest.raises(DataError, match=f"{FILES[0]} is damaged"):
        Mnist(directory=str(tmp_path), **options).prepare_data()


def test_every_file_has_two_mirrors():
    assert all(isinstance(file, RemoteFile) and len(file.urls) == 2 for file in Mnist.idx_files)


# --- the real files

HISTOGRAMS = {
    "train": [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988],
    "val": [991, 1064, 990, 1030, 983, 915, 967, 1090, 1009, 961],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
FIRST_LABELS = {"train": [5, 0, 4, 1, 9], "val": [3, 8, 6, 9, 6], "test": [7, 2, 1, 0, 4]}


@pytest.fixture(scope="module")
def mnist(real_mnist, options):
    """The splits of the idx files."""
    data = Mnist(directory=str(real_mnist), offline=True, **options)
    data.prepare_data()
    data.setup("fit")
    return data.splits


def pixel_sum(*splits):
    """The sum of all pixels as bytes, exact in float64."""
    return sum(int(split.x.sum(dtype=torch.float64) * 256) for split in splits)


def test_the_splits_have_the_tutorials_sizes(mnist):
    assert [tuple(mnist[name].x.shape) for name in HISTOGRAMS] == [(50_000, 784), (10_000, 784), (10_000, 784)]


def test_the_examples_are_in_the_original_order(mnist):
    assert {name: mnist[name].y[:5].tolist() for name in FIRST_LABELS} == FIRST_LABELS


def test_the_label_counts_are_the_published_ones(mnist):
    assert {name: torch.bincount(mnist[name].y).tolist() for name in HISTOGRAMS} == HISTOGRAMS


def test_the_sum_of_the_pixels_is_the_published_one(mnist):
    assert pixel_sum(mnist["train"], mnist["val"]) == 1_567_298_545
    assert pixel_sum(mnist["test"]) == 264_923_200


def test_the_largest_pixel_is_255_of_256(mnist):
    assert [float(mnist[name].x.max()) for name in HISTOGRAMS] == [0.99609375] * 3


def test_the_legacy_pickle_has_the_same_content(mnist, real_mnist, options, tmp_path):
    legacy = real_mnist / "mnist.pkl.gz"
    if not legacy.is_file():
        pytest.skip("needs mnist.pkl.gz beside the idx files in $DLPIPE_DATA/mnist")
    (tmp_path / "mnist.pkl.gz").symlink_to(legacy)
    data = Mnist(directory=str(tmp_path), offline=True, **options)
    data.prepare_data()
    for name, split in data.load_splits().items():
        np.testing.assert_array_equal(split.x, mnist[name].x)
        np.testing.assert_array_equal(split.y, mnist[name].y)


def test_a_run_finds_the_files_in_the_data_variable(real_mnist, cli, monkeypatch):
    monkeypatch.setenv("DLPIPE_DATA", str(real_mnist.parent))
    result = cli("model=logreg", "dataset=mnist", "offline=true", "trainer.max_epochs=1")
    assert result.code == 0, result.err
    sums = json.loads((result.run_dir / "provenance.json").read_text())["data"]
    assert sums == {file.name: file.sha256 for file in Mnist.idx_files}


def test_a_run_reads_the_files_as_torchvision_keeps_them(real_mnist, options, tmp_path, mnist):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for file in Mnist.idx_files:
        (folder / file.name.removesuffix(".gz")).write_bytes(gzip.decompress((real_mnist / file.name).read_bytes()))
    data = Mnist(directory=str(tmp_path), offline=True, **options)
    data.prepare_data()
    for name, split in data.load_splits().items():
        np.testing.assert_array_equal(split.x, mnist[name].x)
    assert data.checksums() == {file.name: file.sha256 for file in Mnist.idx_files}
