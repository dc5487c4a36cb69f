"""The decompressed copies of idx files in the user's cache."""

import gzip
import logging
import os
import threading
import time
import zlib

import numpy as np
import pytest

from dlpipe import DataError
from dlpipe.data import idx_cache, idx_shape
from dlpipe.data.files import sha256_of
from dlpipe.data.idx_cache import cache_path, open_idx

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def packed(tmp_path, idx_bytes):
    """A compressed idx file."""
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(ARRAY), mtime=0))
    return path


@pytest.fixture
def decompressions(monkeypatch):
    """The files that were decompressed."""
    seen = []
    blocks = idx_cache.idx_blocks
    monkeypatch.setattr(idx_cache, "idx_blocks", lambda path: seen.append(path.name) or blocks(path))
    return seen


def test_a_compressed_file_is_decompressed_once(packed, decompressions):
    for _ in range(3):
        np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
    assert decompressions == ["images.gz"]


def test_a_renamed_file_uses_the_same_copy(packed, decompressions):
    open_idx(packed)
    np.testing.assert_array_equal(open_idx(packed.rename(packed.with_name("moved"))), ARRAY)
    assert decompressions == ["images.gz"]


def test_an_uncompressed_file_is_mapped_directly(tmp_path, idx_bytes, own_cache):
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(ARRAY))
    np.testing.assert_array_equal(open_idx(path), ARRAY, strict=True)
    assert list(own_cache.rglob("*.idx")) == []


def test_a_copy_damaged_at_any_byte_is_replaced(packed, decompressions):
    open_idx(packed)
    cache_file = cache_path(sha256_of(packed))
    good = cache_file.read_bytes()
    for place in range(len(good)):
        cache_file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
        assert cache_file.read_bytes() == good
    assert len(decompressions) == 1 + len(good)


@pytest.mark.parametrize("length", [0, 1, 35, 36, 40, 75])
def test_a_truncated_copy_is_replaced(packed, length):
    open_idx(packed)
    cache_file = cache_path(sha256_of(packed))
    good = cache_file.read_bytes()
    assert length < len(good)
    cache_file.write_bytes(good[:length])
    np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
    assert cache_file.read_bytes() == good


@pytest.fixture
def unsealed(monkeypatch):
    """Replaces a cache file by one of the same length with other pixels and no seal."""

    def replace(cache_file):
        other = cache_file.with_name("other")
        other.write_bytes(cache_file.read_bytes()[:16] + bytes(cache_file.stat().st_size - 16))
        other.replace(cache_file)

    return replace


def test_a_copy_that_another_process_damages_right_after_it_was_written_is_not_used(
    packed, unsealed, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    decompress = idx_cache._decompress

    def decompress_and_damage(path, cache_file, digest):
        decompress(path, cache_file, digest)
        unsealed(cache_file)

    monkeypatch.setattr(idx_cache, "_decompress", decompress_and_damage)
    np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
    (line,) = caplog.messages
    assert line.startswith(
        f"cannot write cache file {cache_path(sha256_of(packed))} (damaged again right after it was "
    )
    assert line.endswith(f"every run will decompress {packed}")


def test_a_copy_that_another_process_replaces_after_the_check_is_not_used(packed, unsealed, monkeypatch):
    open_idx(packed)
    crc32, cache_file = zlib.crc32, cache_path(sha256_of(packed))

    def crc32_and_damage(*arguments):
        found = crc32(*arguments)
        unsealed(cache_file)
        return found

    monkeypatch.setattr(zlib, "crc32", crc32_and_damage)
    np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)


def test_two_writers_with_the_same_process_id_both_get_a_complete_map(packed, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    blocks, both, found = idx_cache.idx_blocks, threading.Barrier(2, timeout=10), []

    def at_once(path):
        both.wait()
        yield from blocks(path)
        both.wait()

    monkeypatch.setattr(idx_cache, "idx_blocks", at_once)
    threads = [threading.Thread(target=lambda: found.append(open_idx(packed))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for array in found:
        assert isinstance(array, np.memmap)
        np.testing.assert_array_equal(array, ARRAY, strict=True)
    assert len(found) == 2
    assert caplog.messages == []


def test_a_source_that_is_replaced_while_it_is_read_is_refused_and_not_cached(packed, idx_bytes, monkeypatch):
    before, blocks = sha256_of(packed), idx_cache.idx_blocks

    def replaced(path):
        other = path.with_name("other")
        other.write_bytes(gzip.compress(idx_bytes(ARRAY + 1), mtime=0))
        other.replace(path)
        return blocks(path)

    monkeypatch.setattr(idx_cache, "idx_blocks", replaced)
    with pytest.raises(DataError, match=r"images\.gz was changed while it was read; run again"):
        open_idx(packed)
    assert not cache_path(before).exists()


def test_temporary_files_of_killed_processes_are_deleted_after_a_day(packed):
    folder = cache_path("").parent
    folder.mkdir(parents=True)
    old, new = folder / f".a.idx.{'0' * 16}.tmp", folder / f".b.idx.{'1' * 16}.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    open_idx(packed)
    assert (old.exists(), new.exists()) == (False, True)


def test_the_copy_of_another_file_is_replaced(packed, tmp_path, idx_bytes):
    other = tmp_path / "other.gz"
    other.write_bytes(gzip.compress(idx_bytes(ARRAY + 1), mtime=0))
    open_idx(other)
    cache_path(sha256_of(other)).rename(cache_path(sha256_of(packed)))
    np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)


def test_a_cache_folder_that_cannot_be_created_costs_time_only(packed, own_cache, decompressions):
    (own_cache / "dlpipe").write_text("a file where the folder should be")
    for _ in range(2):
        np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
    assert [path.name for path in own_cache.iterdir()] == ["dlpipe"]


def test_a_copy_that_cannot_be_replaced_costs_time_only(packed):
    cache_file = cache_path(sha256_of(packed))
    (cache_file / "folder").mkdir(parents=True)
    np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
    assert [path.name for path in cache_file.parent.iterdir()] == [cache_file.name]


def test_a_full_disk_leaves_no_copy(packed, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    np.testing.assert_array_equal(open_idx(packed), ARRAY, strict=True)
    assert list(cache_path("").parent.iterdir()) == []


def test_the_error_about_a_damaged_source_names_it_and_nothing_is_cached(packed):
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"images\.gz cannot be read: .*\. Delete it"):
        open_idx(packed)
    assert list(cache_path("").parent.iterdir()) == []


def test_the_error_about_a_source_that_is_not_idx_names_it(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match=r"images\.gz is not an idx file of unsigned bytes: it begins with 73 6f 6d 65"):
        open_idx(path)


@pytest.mark.parametrize("packed", [False, True])
def test_the_dimensions_of_an_idx_file_are_read_from_its_header(tmp_path, idx_bytes, packed):
    content = idx_bytes(np.zeros((3, 4, 5), np.uint8))[:-7]  # whose values are not all there
    (tmp_path / "a").write_bytes(gzip.compress(content) if packed else content)
    (tmp_path / "b").write_bytes(b"\x89PNG and more")
    (tmp_path / "c").touch()
    assert idx_shape(tmp_path / "a") == (3, 4, 5)
    assert idx_shape(tmp_path / "b") is idx_shape(tmp_path / "c") is None


def test_an_idx_file_that_ends_in_its_header_is_damaged(tmp_path, idx_bytes):
    (tmp_path / "a").write_bytes(idx_bytes(np.zeros((3, 4, 5), np.uint8))[:9])
    with pytest.raises(DataError, match=r"has 9 bytes, .* truncated or damaged"):
        idx_shape(tmp_path / "a")
