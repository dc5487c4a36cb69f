"""Idx files of any names."""

import gzip

import numpy as np
import torch
from sklearn.datasets import load_digits

from dlpipe_files.idx_folder import IdxFolder


def load(folder, options, **changes):
    data = IdxFolder(directory=str(folder), **options | changes)
    for name, value in data.options_from_files().items():
        if getattr(data, name) is None:
            setattr(data, name, value)
    data.prepare_data()
    data.setup("fit")
    return data


def test_the_larger_pair_is_for_training_and_a_part_of_it_for_validation(digits, options):
    data = load(digits, options)
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 1120, "val": 280, "test": 397}
    assert (data.image_shape, data.num_features, data.num_classes) == ([1, 8, 8], 64, 10)


def test_pixels_and_labels_belong_together(digits, options):
    pixels, labels = load_digits(return_X_y=True)
    known = {tuple(row): label for row, label in zip(map(tuple, (pixels * 15).astype(int)), labels, strict=True)}
    for x, y in load(digits, options).splits.values():
        assert [known[tuple(row)] for row in (256 * x).int().tolist()] == y.tolist()


def test_compressed_files_and_others_beside_them_make_no_difference(digits, options):
    plain = load(digits, options).splits
    (digits / "README.txt").write_text("four files")
    for path in [digits / name for name in "abcd"]:
        path.write_bytes(gzip.compress(path.read_bytes()))
    packed = load(digits, options, resident_bytes=0).splits
    assert packed["train"].x.dtype == torch.uint8
    for name, (x, y) in plain.items():
        assert torch.equal(x, packed[name].x.float() / 256)
        assert torch.equal(y, packed[name].y)


def test_the_split_depends_on_its_seed(digits, options):
    assert not torch.equal(load(digits, options, split_seed=1).splits["val"].y, load(digits, options).splits["val"].y)


def test_pairs_of_the_same_size_are_told_apart_by_their_names(tmp_path, write_idx, options):
    for name, value in (("training", 1), ("other", 2)):
        write_idx(tmp_path / f"{name}-x", np.full((4, 2, 2), value, np.uint8))
        write_idx(tmp_path / f"{name}-y", np.arange(4, dtype=np.uint8) % 2)
    data = load(tmp_path, options)
    assert (256 * data.splits["test"].x == 2).all()


def test_rows_of_features_have_no_image_shape(tmp_path, write_idx, options):
    for name, count in (("a", 8), ("b", 4)):
        write_idx(tmp_path / f"{name}-x", np.ones((count, 5), np.uint8))
        write_idx(tmp_path / f"{name}-y", np.arange(count, dtype=np.uint8) % 2)
    data = load(tmp_path, options)
    assert (data.image_shape, data.num_features) == (None, 5)
