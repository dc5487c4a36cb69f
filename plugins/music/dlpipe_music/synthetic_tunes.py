"""Synthetic tunes, which need no files."""

import functools
import hashlib
from typing import final

import numpy as np

from dlpipe.data import SplitName
from dlpipe_music.piano_roll import NUM_PITCHES, Roll
from dlpipe_music.tunes import Tunes

SIZES: dict[SplitName, int] = {"train": 60, "val": 12, "test": 12}
SCALE = (0, 2, 4, 5, 7, 9, 11)
# degrees of the chords of a phrase, a bar each
PHRASES = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 0, 4), (5, 3, 4, 0))
FORM = (0, 0, 1, 0)  # A A B A
BAR = 8  # frames, of four beats
BASS, MELODY = 48, 72  # MIDI numbers of the tonics of chords and melody, before transposition


@final
class SyntheticTunes(Tunes):
    """Synthetic: 84 tunes written by a program, a melody over triads in the form A A B A, 132 frames each, in all keys.

    The same tunes for every seed; 60 train, 12 val, 12 test. ``frame_seconds`` only affects written MIDI files and
    pictures.
    """

    title = "synthetic_tunes (synthetic), a tune of the test set"

    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """(132, 128) each."""
        return _rolls()

    def checksums(self) -> dict[str, str]:
        """sha256 over the frames of each split."""
        return {
            name: hashlib.sha256(b"".join(roll.tobytes() for roll in rolls)).hexdigest()
            for name, rolls in _rolls().items()
        }


@functools.cache
def _rolls() -> dict[SplitName, list[Roll]]:
    draw = np.random.default_rng(0)
    return {name: [_tune(draw) for _ in range(size)] for name, size in SIZES.items()}


def _tune(draw: np.random.Generator) -> Roll:
    tonic = int(draw.integers(-6, 6))
    phrases = [_phrase(draw, chords) for chords in draw.permutation(PHRASES)[:2].tolist()]
    end = np.zeros((BAR // 2, NUM_PITCHES), np.uint8)
    end[:, [*_triad(0), MELODY]] = 1
    return np.roll(np.concatenate([*(phrases[part] for part in FORM), end]), tonic, axis=1)


def _phrase(draw: np.random.Generator, chords: list[int]) -> Roll:
    """One bar per chord; the melody moves along the scale and has a note of the chord on the first beat."""
    roll = np.zeros((len(chords) * BAR, NUM_PITCHES), np.uint8)
    degree = 0
    for bar, chord in enumerate(chords):
        frame = bar * BAR
        roll[frame : frame + BAR, _triad(chord)] = 1
        degree = chord + int(draw.choice((0, 2, 4)))
        while frame < (bar + 1) * BAR:
            frames = min(int(draw.choice((1, 2, 2, 4))), (bar + 1) * BAR - frame)
            roll[frame : frame + frames, _pitch(MELODY, degree)] = 1
            frame += frames
            degree = int(np.clip(degree + draw.choice((-2, -1, 1, 2)), -3, 9))
    return roll


def _triad(chord: int) -> list[int]:
    return [_pitch(BASS, chord + third) for third in (0, 2, 4)]


def _pitch(tonic: int, degree: int) -> int:
    octave, step = divmod(degree, len(SCALE))
    return tonic + 12 * octave + SCALE[step]
