"""A dataset that is read from one downloadable file."""

import hashlib

import pytest
import torch

from dlpipe import DataError
from dlpipe.data import Ragged, RemoteFile, RemoteFileMixin, SequenceDataModule, SequenceSplit

BATCHES = {"batch_size": 2, "shuffle": False, "drop_last": False, "bucket": 1, "eval_batch_size": 2, "seed": 0}


class Bytes(RemoteFileMixin, SequenceDataModule):
    """The file's bytes as one sequence."""

    dataset_name = "bytes"
    remote_file = RemoteFile("bytes.bin", "0" * 64, ())

    def load_splits(self):
        x = Ragged.of([torch.tensor(list(self.path().read_bytes()))])
        return {name: SequenceSplit(x, torch.zeros(1, dtype=torch.int64)) for name in ("train", "val", "test")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "bytes.bin").write_bytes(b"abc")
    return tmp_path


def test_the_file_is_read_from_the_datasets_directory(folder):
    data = Bytes(directory=str(folder / "bytes"), **BATCHES)
    data.prepare_data()
    data.setup("fit")
    assert data.splits["train"].x[0].tolist() == list(b"abc")


def test_the_file_is_searched_for_below_the_data_variable(folder, monkeypatch):
    monkeypatch.setenv("DLPIPE_DATA", str(folder))
    assert Bytes(**BATCHES).path() == folder / "bytes" / "bytes.bin"


def test_its_checksum_is_recorded(folder):
    data = Bytes(directory=str(folder / "bytes"), **BATCHES)
    assert data.checksums() == {"bytes.bin": hashlib.sha256(b"abc").hexdigest()}


def test_a_missing_file_is_refused_before_it_is_read(tmp_path):
    data = Bytes(directory=str(tmp_path), offline=True, **BATCHES)
    with pytest.raises(DataError, match=r"no bytes\.bin in .*\. Put it there, or leave out dataset\.directory"):
        data.prepare_data()


def test_options_of_the_base_class_are_passed_on(folder):
    assert Bytes(directory=str(folder), **{**BATCHES, "seed": 5}).seed == 5
