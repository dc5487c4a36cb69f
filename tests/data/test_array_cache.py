"""Arrays cached in an npz file."""

import logging
import os
import time

import numpy as np
import pytest

from dlpipe.data import CacheEntry, cached


@pytest.fixture
def reader():
    """A load function that counts its calls."""

    def read():
        read.calls += 1
        return CacheEntry({"counts": np.arange(5), "values": np.zeros((2, 3), np.float32)}, {"names": ["a", "é"]})

    read.calls = 0
    return read


def assert_as_loaded(found):
    assert found.metadata == {"names": ["a", "é"]}
    assert found.arrays.keys() == {"counts", "values"}
    np.testing.assert_array_equal(found.arrays["counts"], np.arange(5))
    assert found.arrays["values"].shape == (2, 3)
    assert found.arrays["values"].dtype == np.float32


def test_the_second_call_reads_the_cache_file(tmp_path, reader):
    for _ in range(3):
        assert_as_loaded(cached(tmp_path / "folder" / "entry.npz", reader))
    assert reader.calls == 1
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["entry.npz"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:100] + b"\xff" * 50 + content[150:],
        lambda content: content[:-10] + bytes(10),
    ],
    ids=["empty", "cut", "overwritten", "without an end"],
)
def test_a_damaged_cache_file_is_replaced(tmp_path, reader, damage, caplog):
    caplog.set_level(logging.INFO)
    cache_file = tmp_path / "entry.npz"
    cached(cache_file, reader)
    cache_file.write_bytes(damage(cache_file.read_bytes()))
    assert_as_loaded(cached(cache_file, reader))
    assert reader.calls == 2
    assert "entry.npz is damaged and will be replaced" in caplog.text
    assert_as_loaded(cached(cache_file, reader))
    assert reader.calls == 2


def test_no_flipped_bit_of_a_cache_file_goes_unnoticed(tmp_path, reader, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of entries are written
    cache_file = tmp_path / "entry.npz"
    cached(cache_file, reader)
    good = cache_file.read_bytes()
    for place in range(len(good)):
        cache_file.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        found = cached(cache_file, reader)
        assert_as_loaded(found)
        np.testing.assert_array_equal(found.arrays["values"], np.zeros((2, 3)))
    assert reader.calls > len(good) / 2  # others, as of a date, change nothing


def test_the_cache_file_of_another_source_under_this_name_is_replaced(tmp_path, reader, caplog):
    caplog.set_level(logging.INFO)
    cached(tmp_path / "other.npz", lambda: CacheEntry({"counts": np.ones(3)}, "other"))
    (tmp_path / "other.npz").rename(tmp_path / "entry.npz")
    assert_as_loaded(cached(tmp_path / "entry.npz", reader))
    assert "entry.npz is damaged and will be replaced: it is other.npz with the arrays counts" in caplog.text


def test_temporary_files_of_killed_processes_are_deleted_after_a_day(tmp_path, reader):
    old, new = tmp_path / f".a.npz.{'0' * 16}.tmp", tmp_path / f".b.npz.{'1' * 16}.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    cached(tmp_path / "entry.npz", reader)
    assert (old.exists(), new.exists()) == (False, True)


def test_without_a_writable_cache_every_call_loads(tmp_path, reader, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "file").write_text("no folder")
    for calls in (1, 2):
        assert_as_loaded(cached(tmp_path / "file" / "entry.npz", reader))
        assert reader.calls == calls
    assert "the data will be re-read on every run" in caplog.text


def test_an_error_of_the_load_function_is_raised_and_nothing_is_cached(tmp_path):
    def read():
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        cached(tmp_path / "entry.npz", read)
    assert list(tmp_path.iterdir()) == []
