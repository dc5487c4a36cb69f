"""The built-in dataset."""

import hashlib

import numpy as np
import pytest
import torch

from dlpipe.data.digits import Digits

COUNTS = {"train": 1078, "val": 359, "test": 360}


@pytest.fixture
def digits(module_options):
    data = Digits(**module_options(image_shape=[1, 28, 28], num_features=784, num_classes=10))
    data.setup("fit")
    return data


def exact(split):
    """Pixels as integers: bilinear weights are tenths, so 1600 x is an integer up to the rounding of x."""
    return (split.x * 1600).round().to(torch.int16)


def test_the_splits_have_the_documented_sizes(digits):
    assert {name: tuple(split.x.shape) for name, split in digits.splits.items()} == {
        name: (count, 784) for name, count in COUNTS.items()
    }


def test_pixels_are_single_precision_from_0_to_1(digits):
    for split in digits.splits.values():
        assert split.x.dtype == torch.float32
        assert split.x.min() == 0
        assert split.x.max() == 1


def test_every_digit_has_a_black_border_of_four_pixels(digits):
    for split in digits.splits.values():
        images = split.x.view(-1, 28, 28).clone()
        images[:, 4:24, 4:24] = 0
        assert not images.any()


def test_every_split_has_the_classes_in_their_proportions(digits):
    counts = {name: np.bincount(split.y, minlength=10) for name, split in digits.splits.items()}
    total = sum(counts.values())
    for name, count in counts.items():
        share = total * COUNTS[name] / sum(COUNTS.values())
        assert (abs(count - share) < 1.5).all(), name  # rounded twice: 60/40, then 50/50


def test_no_digit_is_in_two_splits(digits):
    rows = torch.cat([exact(split) for split in digits.splits.values()])
    assert len(torch.unique(rows, dim=0)) == len(rows)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "9cb274bd6e5318297818833c017e51d551cafea36653f69772dc6278d38d8f98"),
        ("val", "597fd9b0385dcc389ece8c424c45f0a7399c089d8d5eca2a6d6a27d775ada6db"),
        ("test", "ca22fa93d86d773d6c23d3298f3f224b97e6af73c948764fe49853af6dd724dc"),
    ],
)
def test_pixels_and_labels_are_the_same_everywhere(digits, name, expected):
    split = digits.splits[name]
    content = exact(split).numpy().astype("<i2").tobytes() + split.y.numpy().astype("<i8").tobytes()
    assert hashlib.sha256(content).hexdigest() == expected


def test_the_split_does_not_depend_on_the_seed(module_options, digits):
    other = Digits(**module_options(image_shape=[1, 28, 28], num_features=784, num_classes=10, seed=5))
    other.setup("fit")
    assert torch.equal(other.splits["val"].x, digits.splits["val"].x)


def test_checksums_name_the_three_splits(digits):
    assert list(digits.checksums()) == ["train", "val", "test"]
