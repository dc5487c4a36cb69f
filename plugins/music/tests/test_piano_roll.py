"""Piano rolls: which frames a note is in, pieces of a roll, its key, its picture."""

import numpy as np
import pytest

from dlpipe_music.key import in_common_key, key_of
from dlpipe_music.piano_roll import pieces_of, roll_of
from dlpipe_music.pictures import piano_roll_picture


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        (0.0, 0.3, [0]),
        (0.0, 0.31, [0, 1]),
        (0.1, 0.6, [1]),
        (0.3, 0.9, [1, 2]),
        (0.1, 0.2, []),
        (0.9 + 1e-9, 1.2 + 1e-9, [3]),  # what sums of ticks leave
    ],
)
def test_a_note_sounds_in_the_frames_that_begin_in_it(start, end, frames):
    roll = roll_of(np.array([[60, start, end], [40, 0.0, 3.0]]), 0.3)
    assert roll.shape == (10, 128)
    assert np.flatnonzero(roll[:, 60]).tolist() == frames


def test_pieces_follow_one_another():
    roll = np.arange(25).reshape(25, 1)
    assert [piece[:, 0].tolist() for piece in pieces_of(roll, 10)] == [[*range(10)], [*range(10, 20)], [*range(20, 25)]]


def scale(tonic, steps):
    """A scale up, its tonic longer than the rest, and its fifth."""
    roll = np.zeros((12, 128), np.uint8)
    for frame, step in enumerate(steps):
        roll[frame, tonic + step] = 1
    roll[7:, tonic] = 1
    roll[8:11, tonic + 7] = 1
    return roll


@pytest.mark.parametrize("tonic", range(60, 72))
def test_keys_are_found_and_made_common(tonic):
    major, minor = scale(tonic, (0, 2, 4, 5, 7, 9, 11)), scale(tonic, (0, 2, 3, 5, 7, 8, 10))
    assert key_of(major) == (tonic % 12, False)
    assert key_of(minor) == (tonic % 12, True)
    for roll, wanted in ((major, (0, False)), (minor, (9, True))):
        moved = in_common_key(roll)
        assert key_of(moved) == wanted
        assert moved.sum() == roll.sum()
        assert abs(int(np.flatnonzero(moved[0])[0]) - int(np.flatnonzero(roll[0])[0])) <= 6


def test_silence_is_in_c_major_and_pitches_do_not_come_in_at_the_other_end():
    assert key_of(np.zeros((3, 128), np.uint8)) == (0, False)
    roll = scale(62, (0, 2, 4, 5, 7, 9, 11))
    roll[0, 0] = 1
    assert not in_common_key(roll)[:, 126:].any()


def test_a_picture_shows_pitch_upwards_and_time_to_the_right():
    roll = np.zeros((4, 2), np.uint8)
    roll[0, 1] = 1  # the higher pitch, first
    picture = piano_roll_picture(roll, 0.3, 60, "title")
    assert picture.shape == (450, 900, 3)
    black = np.argwhere((picture[60:380, 80:880] == 0).all(-1))
    assert black.mean(0)[0] < 160
    assert black.mean(0)[1] < 200
