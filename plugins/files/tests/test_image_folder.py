"""Folders of pictures."""

import logging
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from dlpipe import DataError
from dlpipe_files.image_folder import ImageFolder


@pytest.fixture
def load(options):
    """A function that sets up a folder and returns its splits."""

    def run(folder, **changes):
        data = ImageFolder(directory=str(folder), **options | changes)
        for name, value in data.options_from_files().items():
            if getattr(data, name) is None:
                setattr(data, name, value)
        data.prepare_data()
        data.setup("fit")
        return data

    return run


def names_of(data):
    """The files of each split."""
    splits = data._folder().splits
    return {split: [picture.name for picture in found] for split, found in splits.items()}


def test_the_files_tell_classes_and_size(pictures, load):
    data = load(pictures)
    assert data.class_names == ["cat", "dog"]
    assert (data.image_shape, data.num_features, data.num_classes) == ([1, 6, 8], 48, 2)


def test_pixels_are_those_of_the_files_and_labels_those_of_the_folders(pictures, load):
    data = load(pictures)
    for split, names in names_of(data).items():
        x, y = data.splits[split]
        assert x.dtype == torch.float32
        for row, name in enumerate(names):
            pixels = np.asarray(Image.open(pictures / name))
            assert (256 * x[row]).reshape(6, 8).tolist() == pixels.tolist()
            assert data.class_names[y[row]] == name.split("/")[0]


def test_a_colour_picture_is_flat_channel_by_channel_in_training_and_in_predict(photographs, load):
    data = load(photographs)
    name = names_of(data)["train"][0]
    expected = np.asarray(Image.open(photographs / name)).transpose(2, 0, 1)
    assert (256 * data.splits["train"].x[0]).reshape(3, 40, 40).tolist() == expected.tolist()
    assert torch.equal(data.read_examples(photographs / name)[0], data.splits["train"].x[0])


def test_the_split_is_by_class_and_depends_on_seed_and_names_alone(pictures, load, tmp_path):
    first = names_of(load(pictures))
    assert {split: len(names) for split, names in first.items()} == {"train": 8, "val": 2, "test": 2}
    moved = shutil.copytree(pictures, tmp_path / "moved")
    for path in moved.rglob("*.png"):
        Image.new("L", (3, 3)).save(path)
    assert names_of(load(moved)) == first
    assert names_of(load(pictures, split_seed=1)) != first


def test_folders_of_splits_are_taken_as_they_are_and_a_missing_one_is_taken_from_training(pictures, load, tmp_path):
    root = tmp_path / "splits"
    for split in ("train", "valid"):
        shutil.copytree(pictures, root / split)
    found = names_of(load(root))
    assert sorted(found["val"]) == sorted(f"valid/{kind}/{n}.png" for kind in ("cat", "dog") for n in range(6))
    assert len(found["train"]) == 10
    assert all(name.startswith("train/") for name in [*found["train"], *found["test"]])


def test_a_class_may_be_called_train(pictures, load):
    (pictures / "cat").rename(pictures / "train")
    assert load(pictures).class_names == ["dog", "train"]


def test_classes_that_are_numbers_are_in_their_order(pictures, load):
    for name in ("2", "10"):
        shutil.copytree(pictures / "cat", pictures / name)
    shutil.rmtree(pictures / "cat")
    (pictures / "dog").rename(pictures / "0")
    assert load(pictures).class_names == ["0", "2", "10"]


MODES = {
    "1": lambda im: im.convert("1"),
    "LA": lambda im: im.convert("LA"),
    "RGB": lambda im: im.convert("RGB"),
    "RGBA": lambda im: im.convert("RGBA"),
    "P": lambda im: im.convert("P"),
    "I;16": lambda im: Image.fromarray(np.asarray(im).astype(np.uint16) * 257),
    "large": lambda im: im.resize((200, 300)),
}


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_any_mode_and_size_are_converted_and_counted(pictures, load, caplog, channels):
    caplog.set_level(logging.INFO)
    for convert, path in zip(MODES.values(), sorted(pictures.rglob("*.png")), strict=False):
        convert(Image.open(path)).save(path)
    Image.open(pictures / "dog" / "5.png").convert("CMYK").save(pictures / "dog" / "cmyk.tif")
    data = load(pictures, image_shape=[channels, 6, 8])
    assert data.splits["train"].x.shape[1] == channels * 48
    (line,) = [message for message in caplog.messages if message.startswith("of 13 pictures, ")]
    assert "1 resized to 6 x 8" in line
    assert f"1 mode RGBA to {'L' if channels == 1 else 'RGB'}" in line
    assert f"1 mode CMYK to {'L' if channels == 1 else 'RGB'}" in line


def test_the_size_of_large_pictures_is_reduced_in_proportion(photographs, load, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (400, 100)).save(tmp_path / name / f"{number}.jpg")
    assert load(tmp_path).image_shape == [3, 16, 64]


def test_pictures_are_decoded_once(pictures, load, monkeypatch):
    first = load(pictures)
    monkeypatch.setattr("dlpipe_files.image_folder.read_picture", None)
    again = load(pictures)
    assert torch.equal(first.splits["train"].x, again.splits["train"].x)
    assert first.checksums() == again.checksums()


def test_a_changed_picture_is_decoded_again_and_changes_the_checksum_of_its_split(pictures, load):
    first = load(pictures)
    before = first.checksums()
    changed = pictures / names_of(first)["val"][0]
    Image.new("L", (8, 6), 99).save(changed)
    os.utime(changed, ns=(1, 1))
    again = load(pictures)
    assert (256 * again.splits["val"].x[0] == 99).all()
    different = {name for name, digest in before.items() if again.checksums()[name] != digest}
    assert different == {"image_folder val"}


def test_pictures_that_do_not_fit_stay_mapped_bytes_with_the_same_minibatches(pictures, load):
    resident, mapped = load(pictures), load(pictures, resident_bytes=0)
    assert mapped.splits["train"].x.dtype == torch.uint8
    for (x, y), (other_x, other_y) in zip(resident.train_dataloader(), mapped.train_dataloader(), strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


def test_bad_pictures_are_skipped_and_counted(pictures, load, caplog):
    caplog.set_level(logging.INFO)
    text, empty = names_of(load(pictures))["train"][:2]
    caplog.clear()
    (pictures / text).write_text("text")
    (pictures / empty).write_bytes(b"")
    (pictures / "dog" / "notes.txt").touch()
    data = load(pictures, on_bad_file="skip")
    assert sum(len(split.x) for split in data.splits.values()) == 10
    (line,) = [message for message in caplog.messages if "pictures skipped" in message]
    assert line.startswith("2 of 12 pictures skipped: ")
    assert f"{empty} is empty: it has 0 bytes" in line
    assert any(
        message.endswith("are not used, such as " + str(pictures / "dog" / "notes.txt")) for message in caplog.messages
    )


def test_other_classes_than_those_of_the_run_are_refused(pictures, load):
    shutil.copytree(pictures / "cat", pictures / "bird")
    with pytest.raises(DataError, match=r"has the classes bird, cat, dog; dataset\.class_names has cat, dog"):
        load(pictures, class_names=["cat", "dog"])
