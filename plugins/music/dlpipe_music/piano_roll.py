"""Piano rolls: which of the 128 MIDI pitches sound in each frame of a tune."""

import numpy as np
from numpy.typing import NDArray

from dlpipe_music.midi import Notes

Roll = NDArray[np.uint8]
NUM_PITCHES = 128
TOLERANCE = 1e-6  # in frames: rounding error of a note's start and end


def roll_of(notes: Notes, frame_seconds: float) -> Roll:
    """(frames, 128): 1 in all frames that begin during a note.

    A note between the beginnings of two frames is lost.

    Args:
        notes: (notes, 3): MIDI number, start and end in seconds.
        frame_seconds: length of a frame; the last frame is that of the last note's end.

    Source: the tutorial's ``midiread``: frames ceil(start / dt) to ceil(end / dt), the second left out.
    """
    starts, ends = np.ceil(notes[:, 1:].T / frame_seconds - TOLERANCE).astype(np.int64)
    roll = np.zeros((int(ends.max()), NUM_PITCHES), np.uint8)
    for pitch, start, end in zip(notes[:, 0].astype(np.int64).tolist(), starts.tolist(), ends.tolist(), strict=True):
        roll[start:end, pitch] = 1
    return roll


def pieces_of(roll: Roll, piece_frames: int) -> list[Roll]:
    """The roll in parts of ``piece_frames`` frames; the last part may be shorter."""
    return [roll[start : start + piece_frames] for start in range(0, len(roll), piece_frames)]
