"""Files opened by their first bytes, under any name, within bounds."""

import bz2
import gzip
import io
import lzma
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from dlpipe import DataError
from dlpipe.data import files, idx_format
from dlpipe.data.content import BoundedReader, open_content, plain_name
from dlpipe.data.idx_cache import open_idx
from dlpipe.data.idx_format import read_idx
from dlpipe.errors import check_size

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


PACKINGS = {
    "none": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped(("a", content)),
    "zip of macOS": lambda content: zipped(("folder/", b""), ("folder/a", content), ("__MACOSX/._a", b"x")),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", ["images", "images.gz", "images.zip"])
def test_a_file_is_decompressed_by_its_first_bytes_whatever_its_name(tmp_path, idx_bytes, packing, name):
    path = tmp_path / name
    path.write_bytes(PACKINGS[packing](idx_bytes(ARRAY)))
    with open_content(path) as file:
        assert file.read() == idx_bytes(ARRAY)
    for read in (read_idx, open_idx):
        np.testing.assert_array_equal(read(path), ARRAY, strict=True)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ((("a", b""), ("b", b"")), r"a\.zip is a zip archive of 2 files \(a, b\); expected one: unpack it"),
        ((), r"a\.zip (is a zip archive of 0 files|is not an idx file)"),
    ],
)
def test_a_zip_archive_without_exactly_one_file_is_refused(tmp_path, members, message):
    (tmp_path / "a.zip").write_bytes(zipped(*members))
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "a.zip")


def test_the_message_about_a_damaged_member_of_a_zip_archive_names_it(tmp_path):
    content = zipped(("inside", b"x" * 100))
    (tmp_path / "a.zip").write_bytes(content[:30] + b"outside"[:6] + content[36:])
    with pytest.raises(DataError, match=r"a\.zip: its member inside cannot be read"):
        read_idx(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"),
        ("train-images.idx3-ubyte", "train-images-idx3-ubyte"),
        ("mnist.pkl.GZ", "mnist-pkl"),
        ("mnist.pkl", "mnist-pkl"),
    ],
)
def test_names_that_differ_in_compression_and_dots_are_equal(name, plain):
    assert plain_name(name) == plain


def test_a_declared_size_is_compared_with_the_limit():
    check_size("a", 8, 8, "the file has")
    with pytest.raises(DataError, match=r"^a declares 9 bytes, but the file has 8$"):
        check_size("a", 9, 8, "the file has")


def test_a_bounded_reader_stops_at_its_limit():
    assert BoundedReader(io.BytesIO(b"12345678"), "a", 8).read(9) == b"12345678"
    with pytest.raises(DataError, match="a has more than 7 bytes"):
        BoundedReader(io.BytesIO(b"12345678"), "a", 7).read(9)


READERS = {
    "memory": read_idx,
    "cache": open_idx,
    "checksum": lambda path: files.check(path, files.RemoteFile("images", "0" * 64, ())),
}


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zip"])
@pytest.mark.parametrize("read", READERS)
def test_of_an_idx_file_only_what_it_declares_is_decompressed(tmp_path, packing, read):
    path = tmp_path / "images"
    path.write_bytes(PACKINGS[packing](struct.pack(">4BI", 0, 0, 8, 1, 800) + bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"has 809 bytes, or more, but .* require 808|sha256 is"):
        READERS[read](path)
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


def test_an_idx_file_that_exceeds_the_available_memory_is_refused_before_it_is_read(tmp_path, idx_bytes, monkeypatch):
    monkeypatch.setattr(idx_format, "available_bytes", lambda: 30)
    (tmp_path / "images").write_bytes(gzip.compress(idx_bytes(ARRAY)))
    with pytest.raises(DataError, match="images declares 40 bytes, but the available memory is 30"):
        read_idx(tmp_path / "images")
