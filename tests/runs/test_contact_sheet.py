"""Contact sheets: the order of the pictures, and their size."""

import numpy as np
import pytest

from dlpipe.runs.contact_sheet import GAP, WIDTH, contact_sheet


def plain(level, shape=(400, 400, 3)):
    """One colour that no label has, since labels are grey."""
    return np.broadcast_to(np.array([level, 0, 0, 255][: shape[2]], np.uint8), shape).copy()


def found(sheet, level):
    return (sheet == (level, 0, 0)).all(axis=2)


def labelled(pictures):
    return [(f"epoch {number}", picture) for number, picture in enumerate(pictures, 1)]


def test_pictures_are_in_rows_in_their_order_and_unchanged_where_they_fit():
    levels = [40, 80, 120, 160, 200, 240]
    sheet = contact_sheet(labelled(map(plain, levels)))
    corners = [tuple(np.argwhere(found(sheet, level)).min(axis=0)) for level in levels]
    assert corners == sorted(corners)
    assert [len(set(along)) for along in zip(*corners, strict=True)] == [2, 4]  # rows and columns
    assert [found(sheet, level).sum() for level in levels] == [400 * 400] * 6


def test_every_picture_has_a_label_of_its_own_above_it():
    white = np.full((400, 400), 255, np.uint8)
    sheet = contact_sheet(labelled([white, white]))
    first, second = sheet[:, : 400 + GAP + GAP // 2], sheet[:, 400 + GAP + GAP // 2 :]
    assert first.min() == second.min() == 0
    assert (first[:, : 400 + GAP] != second[:, : 400 + GAP]).any()
    assert sheet[GAP + 40 :].min() == 255


@pytest.mark.parametrize("count", [1, 5, 20, 100, 1000])
def test_a_sheet_is_at_most_2000_pixels_wide_and_about_as_high(count):
    sheet = contact_sheet(labelled([plain(9)] * count))
    assert sheet.shape[1] <= WIDTH
    assert sheet.shape[0] <= 1.5 * WIDTH


def test_pictures_of_several_shapes_and_modes_share_a_sheet():
    grey = np.full((400, 400), 128, np.uint8)
    sheet = contact_sheet(labelled([grey, plain(100, (77, 413, 3)), plain(150, (900, 100, 4))]))
    assert [found(sheet, 100).sum(), found(sheet, 150).sum()] == [77 * 413, 900 * 100]
    assert (sheet == 128).all(axis=2).sum() >= 400 * 400
