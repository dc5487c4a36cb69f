"""Pickles of Python 2 and 3: arrays are read, and no code from the file is run."""

import bz2
import contextlib
import gzip
import json
import lzma
import os
import pickle
import struct
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpipe import DataError
from dlpipe.data import legacy_pickle
from dlpipe.data.legacy_pickle import read_pickles


class Python2Pickler(pickle._Pickler):
    """Pickles as Python 2 did: protocol 2, the content of an array as a byte string."""

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
    """Calls `read_pickles` on a file with the given content."""
    path = scratch / "old.pkl"

    def read(content, count=1):
        path.write_bytes(content)
        return read_pickles(path, count)

    return read


def digits(count, num_features=784):
    """Images and labels as in the tutorials' file; the position of a white pixel is the class."""
    labels = np.arange(count, dtype=np.int64) % 10
    images = np.zeros((count, num_features), np.float32)
    images[np.arange(count), labels] = 1
    return images, labels


ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
MNIST = (digits(40), digits(20), digits(20))


def test_arrays_that_python_2_pickled_are_read(reading, scratch):
    ((array, labels),) = reading(python2_pickle((ARRAY, [1, 2]), scratch / "source"))
    np.testing.assert_array_equal(array, ARRAY, strict=True)
    assert labels == [1, 2]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [ARRAY, ARRAY.T, ARRAY[:, ::2], np.zeros((0, 3)), np.arange(3, dtype=">i4"), np.array(["a", "bc"])],
    ids=["C order", "Fortran order", "not contiguous", "empty", "big endian", "text"],
)
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_arrays_that_python_3_pickled_are_read(reading, protocol, array, core):
    content = (array, [b"", b"caf\xe9", bytearray(b"x") if protocol == 5 else b"x"])
    pickled = pickle.dumps(content, protocol)
    if protocol < 4:  # later ones have the length of each name
        pickled = pickled.replace(b"numpy._core", core)
    ((found, texts),) = reading(pickled)
    np.testing.assert_array_equal(found, array)
    assert found.dtype.kind == array.dtype.kind
    assert texts == content[1]


@pytest.mark.parametrize(
    "pickled",
    [
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L1000000000000L\ntS'b'\ntR.",
        b"cnumpy\nndarray\n((L1000000000000L\nttR.",
        b"c__builtin__\nbytes\n(L1000000000000L\ntR.",
        b"c_codecs\nencode\n(Vabc\nVhex\ntR.",
    ],
    ids=["_reconstruct", "ndarray", "bytes", "encode"],
)
def test_a_pickle_allocates_and_decodes_only_what_it_contains(reading, pickled):
    with contextlib.suppress(DataError):
        assert sum(part.nbytes for part in reading(pickled)) == 0


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["old.pkl.gz", "old.pkl", "old"])
def test_a_pickle_is_decompressed_by_its_first_bytes_whatever_its_name(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(pickle.dumps([1])))
    assert read_pickles(path) == [[1]]


def test_a_pickle_that_decompressed_exceeds_the_available_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(legacy_pickle, "available_bytes", lambda: 2**20)
    path = tmp_path / "bomb.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(bytes(2**22))))
    with pytest.raises(DataError, match=r"bomb\.pkl\.gz has more than 1048576 bytes, which is the memory"):
        read_pickles(path)


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
    with pytest.raises(DataError, match=rf"old\.pkl is refused: it would call {name}; only numpy arrays"):
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
    with pytest.raises(DataError, match=f"it would call {name};"):
        reading(new if nested else old)


def test_a_pickle_truncated_anywhere_is_refused(reading, scratch):
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


@pytest.fixture
def on_pickle(cli, tmp_path):
    """Runs on ``mnist`` with a folder that has only a legacy pickle of the given content."""

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
    """Check that a command was refused: exit code 2, the message, and nothing written."""
    assert result.code == 2
    assert message in result.err
    assert result.written == []


def test_a_run_refuses_a_pickle_that_calls_os_system(on_pickle, tmp_path):
    refused(on_pickle(attack(tmp_path / "marker")), "mnist.pkl.gz is refused: it would call")
    assert not (tmp_path / "marker").exists()


def test_a_run_refuses_a_damaged_pickle(on_pickle):
    refused(on_pickle(pickle.dumps(MNIST)[:-1000]), "mnist.pkl.gz cannot be read")


@pytest.mark.parametrize(
    "content",
    [3, MNIST[:2], (*MNIST[:2], MNIST[2][0]), (*MNIST[:2], ("images", "labels")), (*MNIST[:2], (ARRAY, [1, 10**30]))],
    ids=["a number", "two splits", "no labels", "texts", "a label beyond int64"],
)
def test_a_run_refuses_a_pickle_of_another_structure(on_pickle, content):
    refused(on_pickle(pickle.dumps(content)), "mnist.pkl.gz is not ((x, y), (x, y), (x, y)) of arrays: ")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [(ARRAY, [1, 2, 3], "x has the dimensions (2, 3), y (3,)"), (ARRAY[None], [1], "x has the dimensions (1, 2, 3)")],
    ids=["too many labels", "a cube of pixels"],
)
def test_a_run_refuses_a_pickle_of_arrays_that_do_not_match(on_pickle, x, y, message):
    refused(on_pickle(pickle.dumps((*MNIST[:2], (x, y)))), message)
