"""Idx files, and datasets of four idx files."""

import contextlib
import dataclasses
import gzip
import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dlpipe import DataError
from dlpipe.data import idx_images
from dlpipe.data.idx_format import read_idx
from dlpipe.data.split_cache import clear_split_cache

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
PACKINGS = {"plain": bytes, "gz": lambda content: gzip.compress(content, mtime=0)}


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    """Calls `read_idx` on a file with the given content."""
    path = tmp_path_factory.mktemp("idx") / "images"

    def read(content):
        path.write_bytes(content)
        return read_idx(path)

    return read


def flipped(content, bits):
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8 % len(content)] ^= 1 << bit % 8
    return bytes(changed)


BITS = st.lists(st.integers(0, 1000), min_size=1, max_size=4, unique=True)


def test_an_idx_file_is_read_as_the_format_specifies(reading):
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 255])
    assert reading(content).tolist() == [[10, 20, 30], [40, 50, 255]]


@pytest.mark.parametrize("packing", PACKINGS)
@given(array=arrays(np.uint8, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
def test_an_array_is_read_as_it_was_written(reading, idx_bytes, packing, array):
    np.testing.assert_array_equal(reading(PACKINGS[packing](idx_bytes(array))), array, strict=True)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_file_truncated_anywhere_is_refused(reading, idx_bytes, packing):
    content = PACKINGS[packing](idx_bytes(ARRAY))
    for length in range(len(content)):
        with pytest.raises(DataError, match=r"images (has|cannot be read|is not an idx file)"):
            reading(content[:length])


@given(bits=BITS)
def test_a_compressed_file_with_flipped_bits_is_refused_or_read_correctly(reading, idx_bytes, bits):
    try:
        array = reading(flipped(PACKINGS["gz"](idx_bytes(ARRAY)), bits))
    except DataError:
        return
    np.testing.assert_array_equal(array, ARRAY, strict=True)  # the bit was of the time stamp or the like


@given(bits=BITS)
def test_an_uncompressed_file_with_flipped_bits_is_refused_or_read_as_it_is(reading, idx_bytes, bits):
    content = flipped(idx_bytes(ARRAY), bits)
    try:
        array = reading(content)
    except DataError:
        return
    assert array.tobytes() == content[4 + 4 * array.ndim :]


@given(header=st.lists(st.integers(0, 255), max_size=60), rank=st.integers(0, 255))
def test_any_dimensions_are_refused_or_match_the_values(reading, header, rank):
    content = bytes([0, 0, 8, rank, *header])
    try:
        array = reading(content)
    except DataError:
        return
    assert array.size == len(content) - 4 - 4 * rank


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_an_array(reading, content):
    with contextlib.suppress(DataError):
        assert reading(content).dtype == np.uint8


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\0\0\x0d\1", "00 00 0d 01"),  # floats
        (b"\1\0\x08\1", "01 00 08 01"),
        (b"PNG!", "50 4e 47 21"),
        (b"\0", "00"),
        (b"", "nothing"),
    ],
)
def test_a_wrong_magic_number_is_refused(reading, start, message):
    with pytest.raises(DataError, match=f"is not an idx file of unsigned bytes: it begins with {message}$"):
        reading(start + b"\0\0\0\0" * (len(start) > 1))


def test_the_error_about_missing_values_names_both_sizes(reading, idx_bytes):
    message = (
        r"has 39 bytes, but the dimensions \(2, 3, 4\) in its header require 40: it is truncated or damaged\. Delete it"
    )
    with pytest.raises(DataError, match=message):
        reading(idx_bytes(ARRAY)[:-1])


def test_extra_values_are_refused(reading, idx_bytes):
    with pytest.raises(DataError, match=r"has 41 bytes, .* require 40"):
        reading(idx_bytes(ARRAY) + b"\0")


@pytest.mark.parametrize(
    "shape",
    [(2**16, 2**16, 2**16, 2**16), (0, *[2**32 - 1] * 3), (1,) * 70],
    ids=["product is 0 modulo 2**64", "empty, yet too large", "too many"],
)
def test_dimensions_that_no_array_can_have_are_refused(reading, shape):
    content = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes() + b"\0" * (max(shape) == 1)
    with pytest.raises(DataError, match=r"truncated or damaged|which no array can have"):
        reading(content)


def test_a_file_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"nothing cannot be read: .*No such file"):
        read_idx(tmp_path / "nothing")


@pytest.fixture
def loaded(bars_dataset, module_options, write, tmp_path):
    """Loads the splits of a dataset of the given files."""

    def load(files, **changes):
        data = bars_dataset(files)(directory=str(write(tmp_path / "bars", files)), **module_options(**changes))
        data.prepare_data()
        return data.load_splits()

    return load


@pytest.mark.parametrize("when", ["before", "while"])
def test_files_that_are_replaced_after_the_check_are_refused(
    bars_dataset, module_options, bars, write, tmp_path, monkeypatch, when
):
    data = bars_dataset()(directory=str(write(tmp_path / "bars", bars)), **module_options())
    data.prepare_data()
    clear_split_cache()  # what another test loaded from the same files
    labels = tmp_path / "bars" / "train_labels"

    def replace_and_read(path):
        other = labels.with_name("other")
        other.write_bytes(labels.read_bytes()[:8] + bytes(60))
        other.replace(labels)
        return read_idx(path)

    if when == "before":
        replace_and_read(labels)
    else:
        monkeypatch.setattr(idx_images, "read_idx", replace_and_read)
    with pytest.raises(DataError, match="train_labels is damaged or a different file"):
        data.load_splits()


def test_the_last_training_images_are_the_validation_set(loaded, bars):
    labels = list(bars["train_labels"][8:])
    splits = loaded(bars)
    assert splits["train"].y.tolist() == labels[:40]
    assert splits["val"].y.tolist() == labels[40:]
    assert len(splits["test"].y) == 20


def test_pixels_are_divided_by_256(loaded, bars):
    assert loaded(bars)["train"].x.unique().tolist() == [0, 0.99609375]


def test_splits_have_the_dtypes_that_training_needs(loaded, bars):
    for x, y in loaded(bars).values():
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


def test_fewer_labels_than_images_are_refused(loaded, bars, idx_bytes):
    with pytest.raises(
        DataError, match=r"dimensions \(60, 4, 4\) and .*train_labels \(59,\); expected n x height x width"
    ):
        loaded(bars | {"train_labels": idx_bytes(np.zeros(59, np.uint8))})


def test_images_of_one_dimension_are_refused(loaded, bars, idx_bytes):
    with pytest.raises(DataError, match=r"test_images has the dimensions \(20, 16\)"):
        loaded(bars | {"test_images": idx_bytes(np.zeros((20, 16), np.uint8))})


def test_a_validation_set_as_large_as_the_training_images_is_refused(loaded, bars, idx_bytes):
    few = {
        "train_images": idx_bytes(np.zeros((20, 4, 4), np.uint8)),
        "train_labels": idx_bytes(np.zeros(20, np.uint8)),
    }
    message = r"bars has 20 training images; 20 for validation leave none to train on\. Set num_validation in Bars"
    with pytest.raises(DataError, match=message):
        loaded(bars | few)


def test_the_error_about_any_file_with_a_wrong_checksum_names_both_checksums(
    bars, bars_dataset, module_options, write, tmp_path
):
    for name, content in bars.items():
        folder = write(tmp_path / name, bars | {name: content + b"\0"})
        wanted, found = (hashlib.sha256(data).hexdigest() for data in (content, content + b"\0"))
        message = rf"{name} is damaged or a different file: its sha256 is {found}, expected {wanted}\. Delete it"
        with pytest.raises(DataError, match=message):
            bars_dataset()(directory=str(folder), **module_options()).prepare_data()


def test_the_same_content_compressed_anew_or_not_at_all_has_the_same_numbers(
    bars, bars_dataset, module_options, write, tmp_path
):
    dataset, whole = bars_dataset(), {}
    content = gzip.decompress(bars["train_images"])
    files = dataset.idx_files
    known = dataclasses.replace(files.train_images, content_sha256=hashlib.sha256(content).hexdigest())
    dataset.idx_files = files._replace(train_images=known)
    for name, packed in {"gzip": bars["train_images"], "none": content, "again": gzip.compress(content, 1)}.items():
        folder = write(tmp_path / name, bars | {"train_images": packed})
        data = dataset(directory=str(folder), **module_options())
        data.prepare_data()
        clear_split_cache()
        whole[name] = data.load_splits()["train"].x, data.checksums()
    assert all(x.equal(whole["gzip"][0]) and sums == whole["gzip"][1] for x, sums in whole.values())


def test_another_content_compressed_anew_is_refused(bars, bars_dataset, module_options, write, tmp_path, idx_bytes):
    other = gzip.compress(idx_bytes(np.ones((60, 4, 4), np.uint8)))
    folder = write(tmp_path / "bars", bars | {"train_images": other})
    with pytest.raises(DataError, match="train_images is damaged or a different file"):
        bars_dataset()(directory=str(folder), **module_options()).prepare_data()
