"""How a run classifies its test set: computed once, kept, and drawn."""

import base64
import io
import os

import numpy as np
import pytest
from PIL import Image

import dlpipe
from dlpipe_report.page.classified_test_set import (
    FILE,
    WEIGHTS,
    ClassifiedTestSet,
    choose_examples,
    classified_test_set,
    to_pixels,
)
from dlpipe_report.page.confusion import confusion_of


def classified(labels, predicted, num_classes=2, pictures=()):
    wrong = np.flatnonzero(np.array(labels) != np.array(predicted))
    pictures = np.array(pictures, np.uint8)
    return ClassifiedTestSet(
        np.array(labels), np.array(predicted), np.full(len(labels), 0.75), num_classes, wrong, pictures
    )


def test_it_is_computed_once_and_kept_in_the_runs_directory(copied, monkeypatch):
    run = dlpipe.Run(copied)
    computed = classified_test_set(run)
    error = np.mean(computed.labels != computed.predicted)
    assert error == pytest.approx(run.summary["test"]["test/error"])
    assert computed.pictures.shape == (len(computed.shown), 28, 28)
    assert (copied / FILE).is_file()
    monkeypatch.setattr(dlpipe.Run, "classify_test_set", lambda run: pytest.fail("computed again"))
    kept = classified_test_set(dlpipe.Run(copied))
    assert all(np.array_equal(value, vars(kept)[name]) for name, value in vars(computed).items())


def test_predict_leaves_it(copied, cli):
    classified_test_set(dlpipe.Run(copied))
    assert cli("predict", str(copied), "--all").code == 0
    assert (copied / FILE).is_file()


def test_it_is_computed_again_for_other_weights(copied):
    before = classified_test_set(dlpipe.Run(copied))
    with np.load(copied / FILE) as content:
        np.savez(copied / FILE, **{**content, "weights": np.array("others"), "labels": content["labels"] * 0})
    assert np.array_equal(classified_test_set(dlpipe.Run(copied)).labels, before.labels)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip", b"\x80\x04K\x01."])
def test_a_damaged_file_is_computed_again(copied, damage):
    (copied / FILE).parent.mkdir()
    (copied / FILE).write_bytes(damage)
    assert isinstance(classified_test_set(dlpipe.Run(copied)), ClassifiedTestSet)


def test_a_file_whose_labels_are_no_classes_is_not_used(copied):
    classified_test_set(dlpipe.Run(copied))
    with np.load(copied / FILE) as content:
        np.savez(copied / FILE, **{**content, "labels": content["labels"] + 1000})
    assert classified_test_set(dlpipe.Run(copied)).labels.max() == 9


def test_nothing_is_kept_behind_a_link_out_of_the_runs_directory(copied, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (copied / "predictions").symlink_to(tmp_path / "elsewhere")
    assert isinstance(classified_test_set(dlpipe.Run(copied)), ClassifiedTestSet)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_it_is_computed_without_being_kept_where_nothing_can_be_written(copied, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    assert isinstance(classified_test_set(dlpipe.Run(copied)), ClassifiedTestSet)
    assert list((copied / "predictions").iterdir()) == []


def test_it_is_left_out_for_an_unfinished_run(copied):
    (copied / "summary.json").unlink()
    assert classified_test_set(dlpipe.Run(copied)) == "the run's status is unfinished"


def test_it_is_left_out_without_weights(copied):
    (copied / WEIGHTS).unlink()
    assert classified_test_set(dlpipe.Run(copied)) == "the run has no weights.safetensors"


def test_it_is_left_out_where_the_data_is_not_here(copied, monkeypatch):
    def missing(run):
        raise dlpipe.DataError("mnist is not in /data")

    monkeypatch.setattr(dlpipe.Run, "classify_test_set", missing)
    assert classified_test_set(dlpipe.Run(copied)) == "mnist is not in /data"


def test_what_a_plugin_raises_leaves_it_out(copied, monkeypatch):
    monkeypatch.setattr(dlpipe.Run, "classify_test_set", lambda run: [][0])
    assert classified_test_set(dlpipe.Run(copied)).startswith("the test set could not be classified: IndexError: ")


def test_it_is_left_out_for_a_model_that_is_no_classifier(copied, monkeypatch):
    monkeypatch.setattr(dlpipe.Run, "classify_test_set", lambda run: None)
    message = "model logreg on digits gives no class probabilities of labelled test examples"
    assert classified_test_set(dlpipe.Run(copied)) == message


def test_examples_are_chosen_in_turn_of_each_pair_of_classes_the_most_confident_first():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 1, 0, 1, 2])
    probability = np.array([0.6, 0.9, 0.7, 0.5, 1.0, 1.0])
    assert choose_examples(labels, predicted, probability, 2).tolist() == [1, 3]
    assert choose_examples(labels, predicted, probability, 3).tolist() == [1, 2, 3]
    assert choose_examples(labels, predicted, probability).tolist() == [0, 1, 2, 3]


def test_pictures_are_scaled_by_all_and_their_channels_put_last():
    pixels = to_pixels(np.array([[[[0.0, 0.5]]], [[[1.0, 0.0]]]]))
    assert pixels.tolist() == [[[0, 127]], [[255, 0]]]
    assert to_pixels(np.zeros((2, 3, 5, 4))).shape == (2, 5, 4, 3)
    assert to_pixels(np.zeros((2, 1, 128, 256))).shape == (2, 32, 64)
    assert to_pixels(np.zeros((2, 7, 5, 4))).shape == (0,)


def test_the_matrix_counts_true_classes_in_rows():
    confusion = confusion_of(classified([0, 0, 1, 1], [0, 1, 1, 1]), ["cat", "dog"])
    assert [[cell.count for cell in row] for row in confusion.rows] == [[1, 1], [0, 2]]
    assert (confusion.names, confusion.correct, confusion.wrong) == (["cat", "dog"], 3, 1)
    assert confusion.examples == [{"index": 1, "true": 0, "predicted": 1, "probability": 0.75}]


def test_of_many_classes_the_most_confused_pairs_are_listed():
    confusion = confusion_of(classified([0, 7, 7, 3], [0, 8, 8, 4], num_classes=40))
    assert confusion.rows == []
    assert [(cell.true, cell.predicted, cell.count) for cell in confusion.pairs] == [(7, 8, 2), (3, 4, 1)]


def test_class_names_of_another_number_are_not_used():
    assert confusion_of(classified([0], [1]), ["one"]).names == ["0", "1"]


def test_all_pictures_are_on_one_sheet():
    pictures = [np.full((2, 3), value) for value in (10, 20, 30)]
    confusion = confusion_of(classified([0, 0, 0], [1, 1, 1], pictures=pictures))
    sheet = Image.open(io.BytesIO(base64.b64decode(confusion.sprite.partition(",")[2])))
    assert (confusion.columns, confusion.tile, sheet.size) == (2, (2, 3), (6, 4))
    assert [sheet.getpixel(place) for place in ((0, 0), (3, 0), (0, 2), (3, 2))] == [10, 20, 30, 0]
