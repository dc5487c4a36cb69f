"""What ``predict_step`` returns for each batch decides the file that it is written to."""

import json
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image

from dlpipe import DlpipeError
from dlpipe.runs.predictions import MAX_COLUMNS, replace_predictions, write_predictions

Output = namedtuple("Output", "label score")


def lines(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("batches", "text"),
    [
        ([torch.tensor([0.1, 0.25]), torch.tensor([3.0])], "example,prediction\n0,0.1\n1,0.25\n2,3.0\n"),
        ([torch.tensor([[1, 2]]), torch.tensor([[3, 4]])], "example,prediction_0,prediction_1\n0,1,2\n1,3,4\n"),
        ([np.array([True, False])], "example,prediction\n0,True\n1,False\n"),
        ([torch.tensor([0.5], dtype=torch.bfloat16)], "example,prediction\n0,0.5\n"),
        ([torch.tensor([7], dtype=torch.uint8)], "example,prediction\n0,7\n"),
    ],
    ids=["floats", "vectors", "bools of numpy", "bfloat16", "uint8"],
)
def test_numbers_and_short_vectors_are_a_table(batches, text, tmp_path):
    write_predictions(tmp_path, batches)
    assert (tmp_path / "predictions.csv").read_text() == text


def test_examples_of_files_have_their_names(tmp_path):
    write_predictions(tmp_path, [torch.zeros(1), torch.zeros(2)], ["a.png", "b.idx[0]", "b.idx[1]"])
    rows = (tmp_path / "predictions.csv").read_text().splitlines()[1:]
    assert rows == ["a.png,0.0", "b.idx[0],0.0", "b.idx[1],0.0"]


@pytest.mark.parametrize("shape", [(2, MAX_COLUMNS + 1), (2, 3, 4), (2, 3, 4, 5)], ids=str)
def test_long_vectors_and_arrays_are_an_array(shape, tmp_path):
    first, second = torch.rand(shape), torch.rand(shape)
    said = write_predictions(tmp_path, [first, second])
    assert np.array_equal(np.load(tmp_path / "predictions.npy"), torch.cat([first, second]).numpy())
    assert said == f"{tmp_path / 'predictions.npy'}: float32 array {' x '.join(map(str, (4, *shape[1:])))}"


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        ((2, 5, 4), (5, 4)),
        ((2, 5, 4, 3), (5, 4, 3)),
        ((2, 5, 4, 4), (5, 4, 4)),
        ((2, 3, 5, 4), (5, 4, 3)),
        ((2, 1, 5, 4), (5, 4)),
        ((2, 5, 4, 1), (5, 4)),
    ],
    ids=str,
)
def test_uint8_pictures_are_png_files(shape, picture, tmp_path):
    values = torch.randint(256, shape, dtype=torch.uint8)
    write_predictions(tmp_path, [values])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.png", "00001.png"]
    pixels = np.array(Image.open(tmp_path / "00001.png"))
    assert pixels.shape == picture
    moved = values[1].movedim(0, -1) if shape[1] in (1, 3) else values[1]
    assert np.array_equal(pixels, moved.reshape(picture).numpy())


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([torch.tensor([[1, 2]]), torch.tensor([[3, 4, 5]])], [[1, 2], [3, 4, 5]]),
        ([["a", "ü"], ["c"]], ["a", "ü", "c"]),
        ([{"label": torch.tensor([1, 2]), "text": ["x", "y"]}], [{"label": 1, "text": "x"}, {"label": 2, "text": "y"}]),
        ([{"label": torch.tensor([1, 2]), "loss": 0.5}], [{"label": [1, 2], "loss": 0.5}]),
        ([Output(torch.tensor([1]), torch.tensor([0.5]))], [{"label": 1, "score": 0.5}]),
        ([torch.tensor(0.5), torch.tensor(torch.nan)], [0.5, None]),
    ],
    ids=["ragged", "strings", "dict of columns", "dict of a batch", "named tuple", "a number for each batch"],
)
def test_everything_else_is_a_line_for_each_example_or_batch(batches, expected, tmp_path):
    said = write_predictions(tmp_path, batches)
    assert lines(tmp_path) == expected
    assert said == f"{tmp_path / 'predictions.jsonl'}: {len(expected)} lines"


@pytest.mark.parametrize("value", [None, object()], ids=["None", "object"])
def test_what_no_file_can_hold_is_refused(value, tmp_path):
    with pytest.raises(DlpipeError, match=rf"predict_step returned a {type(value).__name__}, which cannot be written"):
        write_predictions(tmp_path, [value])


FORMS = {
    "table": {"predictions.csv": [torch.zeros(2)]},
    "array": {"predictions.npy": [torch.zeros(2, 3, 3)]},
    "lines": {"predictions.jsonl": [["a", "b"]]},
    "pictures": {"00000.png": [torch.zeros(1, 2, 2, dtype=torch.uint8)]},
    "loaders": {"0/predictions.csv": [torch.zeros(2)], "1/predictions.npy": [torch.zeros(2, 3, 3)]},
}


def predict(folder, form):
    """Write predictions in one form, as one call of `predict` does."""
    with replace_predictions(folder):
        for name, batches in FORMS[form].items():
            write_predictions((folder / name).parent, batches)


@pytest.mark.parametrize("later", FORMS)
@pytest.mark.parametrize("earlier", FORMS)
def test_predictions_replace_those_of_an_earlier_call(earlier, later, tmp_path):
    (tmp_path / "notes.txt").touch()  # of the user
    predict(tmp_path, earlier)
    predict(tmp_path, later)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"notes.txt", *FORMS[later]}
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == ({"0", "1"} if later == "loaders" else set())


def test_predictions_that_cannot_be_written_leave_those_of_an_earlier_call(tmp_path):
    predict(tmp_path, "table")
    with pytest.raises(DlpipeError), replace_predictions(tmp_path):
        write_predictions(tmp_path, [object()])
    assert (tmp_path / "predictions.csv").is_file()
