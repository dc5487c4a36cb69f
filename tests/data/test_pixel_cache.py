"""Pictures as bytes, decoded once into a cache file."""

import logging

import numpy as np
import pytest

from dlpipe import DataError
from dlpipe.data import cached_pixels, pixel_cache

PIXELS = np.arange(60, dtype=np.uint8).reshape(5, 12)


@pytest.fixture
def load():
    """Writes five examples in three blocks, and counts its calls."""

    def write_all(write):
        write_all.calls += 1
        for block in (PIXELS[:2], PIXELS[2:3], PIXELS[:, ::-1][3:, ::-1]):
            write(block)
        return {"labels": [0, 1], "name": "é"}

    write_all.calls = 0
    return write_all


def assert_as_written(found):
    np.testing.assert_array_equal(found.pixels, PIXELS)
    assert found.metadata == {"labels": [0, 1], "name": "é"}


def test_the_second_call_maps_the_cache_file(tmp_path, load):
    for _ in range(3):
        found = cached_pixels(tmp_path / "folder" / "a.pixels", 12, load)
        assert_as_written(found)
        assert isinstance(found.pixels, np.memmap)
        assert not found.pixels.flags.writeable
    assert load.calls == 1
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.pixels"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:5],
        lambda content: content[: len(content) // 2],
        lambda content: content[:10] + b"\xff" + content[11:],
        lambda content: content[:-3] + b"abc",
    ],
    ids=["empty", "short", "cut", "overwritten", "another end"],
)
def test_a_damaged_cache_file_is_replaced(tmp_path, load, damage):
    path = tmp_path / "a.pixels"
    cached_pixels(path, 12, load)
    path.write_bytes(damage(path.read_bytes()))
    assert_as_written(cached_pixels(path, 12, load))
    assert load.calls == 2
    assert_as_written(cached_pixels(path, 12, load))
    assert load.calls == 2


def test_no_examples_are_an_empty_array(tmp_path):
    assert cached_pixels(tmp_path / "a.pixels", 12, lambda write: None).pixels.shape == (0, 12)


def test_without_a_cache_the_examples_are_in_memory(tmp_path, load, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "file").touch()
    assert_as_written(cached_pixels(tmp_path / "file" / "a.pixels", 12, load))
    assert "the data will be re-read on every run" in caplog.text


def test_without_a_cache_and_without_memory_the_data_is_refused(tmp_path, load, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(pixel_cache, "available_bytes", lambda: 2 * 59)
    with pytest.raises(DataError, match=r"more than 59 bytes of memory, and .*a\.pixels cannot be written"):
        cached_pixels(tmp_path / "file" / "a.pixels", 12, load)


def test_a_source_that_cannot_be_read_leaves_no_file(tmp_path):
    def fail(write):
        write(PIXELS)
        raise DataError("a.png is damaged")

    with pytest.raises(DataError, match=r"a\.png is damaged"):
        cached_pixels(tmp_path / "a.pixels", 12, fail)
    assert list(tmp_path.iterdir()) == []
