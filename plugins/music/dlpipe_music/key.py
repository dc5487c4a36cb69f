"""Estimating a tune's key, and transposing it to C major or A minor."""

import numpy as np
from numpy.typing import NDArray

from dlpipe_music.piano_roll import NUM_PITCHES, Roll

# how well each pitch class fits a key, from its tonic up: Krumhansl (1990), Cognitive foundations of musical pitch
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
A = 9  # its pitch class, the tonic of the minor key without sharps and flats


def key_of(roll: Roll) -> tuple[int, bool]:
    """Pitch class of the tonic (C is 0), and whether the key is minor; C major for silence.

    The key is that whose profile correlates best with the total duration of each pitch class.

    Args:
        roll: (frames, 128).

    Source: the Krumhansl-Schmuckler algorithm.
    """
    sounding = np.pad(roll.sum(0, dtype=np.float64), (0, -NUM_PITCHES % 12)).reshape(-1, 12).sum(0)
    fits = np.concatenate([_fits(sounding, profile) for profile in (MAJOR, MINOR)])
    best = int(fits.argmax())
    return best % 12, best >= 12


def in_common_key(roll: Roll) -> Roll:
    """The roll (frames, 128) transposed to C major or A minor, by six semitones at most."""
    tonic, minor = key_of(roll)
    up = ((A if minor else 0) - tonic + 5) % 12 - 5  # from -5 to 6
    moved = np.zeros_like(roll)
    moved[:, max(0, up) : NUM_PITCHES + min(0, up)] = roll[:, max(0, -up) : NUM_PITCHES - max(0, up)]
    return moved


def _fits(sounding: NDArray[np.float64], profile: tuple[float, ...]) -> NDArray[np.float64]:
    """Correlation with the profile for each of twelve tonics, up to a factor common to all profiles."""
    durations, weights = sounding - sounding.mean(), np.array(profile) - np.mean(profile)
    rotated = np.stack([np.roll(weights, tonic) for tonic in range(12)])
    return np.asarray(rotated @ durations / np.linalg.norm(weights), np.float64)
