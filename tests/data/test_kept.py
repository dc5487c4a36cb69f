"""What is read once and kept in the user's cache."""

import logging

import numpy as np
import pytest

from dlpipe.data import Kept, kept


@pytest.fixture
def reader():
    """What reads, and how often it has."""

    def read():
        read.calls += 1
        return Kept({"counts": np.arange(5), "values": np.zeros((2, 3), np.float32)}, {"names": ["a", "é"]})

    read.calls = 0
    return read


def assert_whole(found):
    assert found.told == {"names": ["a", "é"]}
    assert found.arrays.keys() == {"counts", "values"}
    np.testing.assert_array_equal(found.arrays["counts"], np.arange(5))
    assert found.arrays["values"].shape == (2, 3)
    assert found.arrays["values"].dtype == np.float32


def test_it_is_read_once(tmp_path, reader):
    for _ in range(3):
        assert_whole(kept(tmp_path / "folder" / "entry.npz", reader))
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
def test_a_damaged_entry_is_made_anew(tmp_path, reader, damage, caplog):
    caplog.set_level(logging.INFO)
    entry = tmp_path / "entry.npz"
    kept(entry, reader)
    entry.write_bytes(damage(entry.read_bytes()))
    assert_whole(kept(entry, reader))
    assert reader.calls == 2
    assert "entry.npz is damaged and made anew" in caplog.text
    assert_whole(kept(entry, reader))
    assert reader.calls == 2


def test_where_nothing_can_be_written_it_is_read_each_time(tmp_path, reader, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "file").write_text("no folder")
    for calls in (1, 2):
        assert_whole(kept(tmp_path / "file" / "entry.npz", reader))
        assert reader.calls == calls
    assert "the data is read anew at every start" in caplog.text


def test_what_reading_raises_is_kept_nowhere(tmp_path):
    def read():
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        kept(tmp_path / "entry.npz", read)
    assert list(tmp_path.iterdir()) == []
