"""Pickles of the Python 2 era: arrays are read, and nothing that a file asks for is run."""

import gzip
import json
import os
import pickle
import struct
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpipe import DataError
from dlpipe.data.legacy_pickle import read_pickles


class Python2Pickler(pickle._Pickler):
    """Writes as Python 2 did: protocol 2, the bytes of an array as a byte string."""

    def save_byte_string(self, content):
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)

    dispatch: ClassVar = pickle._Pickler.dispatch | {bytes: save_byte_string}


def python2_pickle(content, path):
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(content)
    return path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("pickles")


@pytest.fixture(scope="module")
def reading(scratch):
    """What `read_pickles` makes of some bytes."""
    path = scratch / "old.pkl"

    def read(content, count=1):
        path.write_bytes(content)
        return read_pickles(path, count)

    return read


def digits(count, num_features=784):
    """Images and labels in the form of the tutorials' file; a bright band says which class it is."""
    labels = np.arange(count, dtype=np.int64) % 10
    images = np.zeros((count, num_features), np.float32)
    images[np.arange(count), labels] = 1
    return images, labels


ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
MNIST = (digits(40), digits(20), digits(20))


def test_arrays_that_python_2_wrote_come_back(reading, scratch):
    ((array, labels),) = reading(python2_pickle((ARRAY, [1, 2]), scratch / "source"))
    np.testing.assert_array_equal(array, ARRAY, strict=True)
    assert labels == [1, 2]


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_that_python_3_wrote_come_back(reading, protocol):
    (array,) = reading(pickle.dumps(ARRAY, protocol))
    np.testing.assert_array_equal(array, ARRAY, strict=True)


def test_a_byte_string_of_python_2_comes_back_as_latin_1(reading):
    assert reading(b"U\x04caf\xe9.") == ["café"]


def test_several_pickles_after_one_another_are_read_in_order(reading):
    assert reading(pickle.dumps([1]) + pickle.dumps([2]) + pickle.dumps([3]), count=2) == [[1], [2]]


def test_a_compressed_pickle_is_read(tmp_path):
    path = tmp_path / "old.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps([1])))
    assert read_pickles(path) == [[1]]


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attack(marker):
    return pickle.dumps((Call(os.system, f"touch {marker}"), MNIST[0]), protocol=2)


def attack_of_python_2(marker):
    return f"cos\nsystem\n(S'touch {marker}'\ntR.".encode()


@pytest.mark.parametrize(
    ("make", "name"), [(attack, r"(posix|nt)\.system"), (attack_of_python_2, r"os\.system")], ids=["posix", "os"]
)
def test_a_pickle_that_calls_os_system_is_refused_by_name_and_not_run(reading, tmp_path, make, name):
    with pytest.raises(DataError, match=rf"old\.pkl is refused: it asks to call {name}; only numpy arrays"):
        reading(make(tmp_path / "marker"))
    assert not (tmp_path / "marker").exists()


def test_the_attack_of_these_tests_would_work_on_an_ordinary_unpickler(tmp_path):
    pickle.loads(attack(tmp_path / "marker"))
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "builtins.getattr",
        "__builtin__.eval",
        "subprocess.Popen",
        "numpy.load",
        "numpy.fromfile",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.fromstring",
        "numpy.ndarray.tofile",
        "dlpipe.data.legacy_pickle.os",
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["global", "stack global"])
def test_any_other_name_is_refused(reading, name, nested):
    module, _, attribute = name.rpartition(".")
    old = f"c{module}\n{attribute}\n.".encode()
    new = (
        pickle.PROTO + b"\4" + b"".join(b"\x8c" + bytes([len(w)]) + w.encode() for w in (module, attribute)) + b"\x93."
    )
    with pytest.raises(DataError, match=f"it asks to call {name};"):
        reading(new if nested else old)


def test_a_pickle_cut_anywhere_is_refused(reading, scratch):
    content = python2_pickle((ARRAY, [1, 2]), scratch / "source")
    for length in range(len(content)):
        with pytest.raises(DataError, match=r"old\.pkl (cannot be read|is refused)"):
            reading(content[:length])


@given(place=st.integers(0, 1000), bit=st.integers(0, 7))
def test_a_pickle_with_a_flipped_bit_is_refused_or_read(reading, scratch, place, bit):
    content = bytearray(python2_pickle((ARRAY, [1, 2]), scratch / "source"))
    content[place % len(content)] ^= 1 << bit
    try:
        assert len(reading(bytes(content))) == 1
    except DataError:
        return


@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_read(reading, content):
    try:
        assert len(reading(content)) == 1
    except DataError:
        return


def test_a_file_that_is_not_compressed_as_its_name_says_is_told(tmp_path):
    path = tmp_path / "old.pkl.gz"
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match=r"old\.pkl\.gz cannot be read: Not a gzipped file.*; remove it"):
        read_pickles(path)


@pytest.fixture
def on_pickle(cli, tmp_path):
    """A run on ``mnist`` in a folder that has only a legacy pickle of this content."""

    def run(content, *overrides):
        (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(content, mtime=0))
        return cli("model=logreg", "dataset=mnist", f"dataset.directory={tmp_path}", *overrides)

    return run


def test_a_legacy_pickle_is_trained_on(on_pickle):
    result = on_pickle(pickle.dumps(MNIST), "recipe.batch_size=10", "recipe.lr=1", "trainer.max_epochs=20")
    assert result.code == 0, result.err
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert summary["evaluated"] == {"val": 20, "test": 20}
    assert summary["test"]["test/error"] == 0


def test_the_checksum_of_a_legacy_pickle_is_in_the_runs_provenance(on_pickle):
    result = on_pickle(pickle.dumps(MNIST), "recipe.batch_size=10", "trainer.max_epochs=1")
    provenance = json.loads((result.run_dir / "provenance.json").read_text())
    assert list(provenance["data"]) == ["mnist.pkl.gz"]


def refused(result, message):
    """Whether a command ended as a wrong request does."""
    assert result.code == 2
    assert message in result.err
    assert result.written == []


def test_a_run_on_a_pickle_that_calls_os_system_is_a_wrong_request(on_pickle, tmp_path):
    refused(on_pickle(attack(tmp_path / "marker")), "mnist.pkl.gz is refused: it asks to call")
    assert not (tmp_path / "marker").exists()


def test_a_run_on_a_damaged_pickle_is_a_wrong_request(on_pickle):
    refused(on_pickle(pickle.dumps(MNIST)[:-1000]), "mnist.pkl.gz cannot be read")


@pytest.mark.parametrize(
    "content",
    [3, MNIST[:2], (*MNIST[:2], MNIST[2][0]), (*MNIST[:2], ("images", "labels")), (*MNIST[:2], (ARRAY, [1, 10**30]))],
    ids=["a number", "two splits", "no labels", "texts", "a label beyond int64"],
)
def test_a_run_on_a_pickle_of_another_structure_is_a_wrong_request(on_pickle, content):
    refused(on_pickle(pickle.dumps(content)), "mnist.pkl.gz is not ((x, y), (x, y), (x, y)) of arrays: ")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [(ARRAY, [1, 2, 3], "x has the dimensions (2, 3), y (3,)"), (ARRAY[None], [1], "x has the dimensions (1, 2, 3)")],
    ids=["too many labels", "a cube of pixels"],
)
def test_a_run_on_a_pickle_of_arrays_that_do_not_fit_is_a_wrong_request(on_pickle, x, y, message):
    refused(on_pickle(pickle.dumps((*MNIST[:2], (x, y)))), message)
