"""Your own piano rolls in a MATLAB file: read, trained on, and what is wrong with one."""

import numpy as np
import pytest
from scipy.io import savemat

from dlpipe import DataError
from dlpipe.data import sha256_of
from dlpipe_music.matlab_rolls import MatlabRolls
from dlpipe_music.synthetic_tunes import SyntheticTunes

LOADING = {"batch_size": 1, "shuffle": True, "drop_last": False, "eval_batch_size": 20, "seed": 1}
NAMES = {"train": "traindata", "val": "validdata", "test": "testdata"}


def cells(*rolls):
    """A cell array, as MATLAB has it."""
    array = np.empty((1, len(rolls)), object)
    array[0] = [np.asarray(roll) for roll in rolls]
    return array


ROLL = np.eye(5, 88)
GOOD = {"traindata": cells(ROLL), "validdata": cells(ROLL), "testdata": cells(ROLL)}


@pytest.fixture
def mat(tmp_path):
    """A function that writes a file of variables, and returns its path."""

    def write(variables):
        path = tmp_path / "tunes.mat"
        savemat(path, variables)
        return path

    return write


@pytest.fixture
def tunes(mat):
    """A file with the synthetic tunes."""
    rolls = SyntheticTunes(**LOADING).load_rolls()
    return mat({NAMES[name]: cells(*(roll[:, 21:109].astype(float) for roll in own)) for name, own in rolls.items()})


def test_the_rolls_are_those_that_were_saved(tunes):
    data = MatlabRolls(**LOADING, file=str(tunes))
    data.prepare_data()
    wanted = SyntheticTunes(**LOADING).load_rolls()
    for name, rolls in data.load_rolls().items():
        assert len(rolls) == len(wanted[name])
        assert all(np.array_equal(roll, own) for roll, own in zip(rolls, wanted[name], strict=True))
    assert data.checksums() == {"tunes.mat": sha256_of(tunes)}


def test_rolls_of_all_pitches_and_a_list_of_tunes_of_one_length_are_read(mat):
    variables = {name: [np.eye(4, 128), np.eye(4, 128)] for name in NAMES.values()}
    rolls = MatlabRolls(**LOADING, file=str(mat(variables))).load_rolls()
    assert [roll.tolist() for roll in rolls["val"]] == [np.eye(4, 128).tolist()] * 2


def test_the_model_is_trained_on_a_file(tunes, train):
    small = ("model=rnn_rbm", "model.num_hidden=5", "model.num_recurrent=5", "recipe.max_epochs=1")
    limits = ("trainer.limit_train_batches=5", "model.generated_frames=10", "model.generation_steps=2")
    own = train(*small, *limits, "dataset=matlab_rolls", f"dataset.file={tunes}")
    assert own.summary["test"]["test/reconstruction"] < 0
    assert own.summary["updates"] == 5


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"traindata": cells(ROLL), "valid": 1}, r"tunes.mat has no validdata, testdata; it has traindata, valid"),
        (
            GOOD | {"validdata": cells(ROLL, 60 * ROLL)},
            r"validdata, cell 1 from 0 is no roll .*: it is 5 x 88, from 0.0 to 60.0",
        ),
        (
            GOOD | {"testdata": cells(np.ones((3, 90)))},
            r"is no roll of zeros and ones, frames x 88 \(pitches 21 to 108\) or 128 \(all\): it is 3 x 90",
        ),
        (GOOD | {"traindata": cells(np.zeros((0, 88)))}, r"traindata, cell 0 from 0 is no roll .*: it is 0 x 88"),
        (
            GOOD | {"traindata": cells("abc")},
            r"traindata, cell 0 from 0 is no roll .*: it is no table of numbers but <U3",
        ),
        (GOOD | {"traindata": cells(np.full((3, 88), np.nan))}, r"it is 3 x 88, from nan to nan"),
        (GOOD | {"testdata": np.zeros((0, 0))}, r"there are no tunes for test; each of train, val and test needs one"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(mat, variables, message):
    data = MatlabRolls(**LOADING, file=str(mat(variables)))
    with pytest.raises(DataError, match=message):
        data.setup("fit")


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"no MATLAB" * 99, lambda b: b[: len(b) // 2]])
def test_a_file_that_is_truncated_or_no_matlab_file_is_refused(tunes, damage):
    tunes.write_bytes(damage(tunes.read_bytes()))
    with pytest.raises(DataError, match=r"tunes.mat is damaged or no MATLAB file: .*; remove it, and take a good copy"):
        MatlabRolls(**LOADING, file=str(tunes)).setup("fit")


def test_a_file_of_matlabs_format_of_hdf5_is_refused(tmp_path):
    path = tmp_path / "tunes.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(DataError, match=r"tunes.mat has MATLAB's format 7.3; save it with the option -v7"):
        MatlabRolls(**LOADING, file=str(path)).setup("fit")


@pytest.mark.parametrize(
    ("file", "message"),
    [(None, "dataset.file says where the piano rolls are"), ("/nowhere.mat", "dataset.file=/nowhere.mat is no file")],
)
def test_where_the_file_is_must_be_given(file, message):
    with pytest.raises(DataError, match=message):
        MatlabRolls(**LOADING, file=file).prepare_data()
