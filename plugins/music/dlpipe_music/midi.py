"""Reading the notes of a MIDI file, and writing a piano roll as one."""

import io
from collections import defaultdict

import mido
import numpy as np
from numpy.typing import NDArray

Notes = NDArray[np.float64]
DEFAULT_TEMPO = 500_000  # microseconds per quarter, if a file sets none
TICKS_A_QUARTER, TICKS_A_SECOND = 100, 200  # of written files, at the default tempo
VELOCITY = 90
MAX_SECONDS = 24 * 3600.0


class MidiError(ValueError):
    """A MIDI file cannot be used."""


def read_notes(content: bytes) -> Notes:
    """One row per note, (notes, 3): MIDI number, start and end in seconds, ordered by end within each track.

    The tempo may change at any time, for all tracks. A note ends at the next note-off, or note-on of velocity 0, of its
    pitch and channel in its track; of several sounding notes the latest one ends first. Notes without an end or of
    length 0 are dropped. Velocities, instruments and pedals are ignored.

    Args:
        content: bytes of a MIDI file of type 0 or 1.

    Raises:
        MidiError: it is not such a file, is truncated, or has no notes.

    Source: the tutorial's ``midiread``, which read each track with the tempos of the tracks before it.
    """
    file = _parse(content)
    notes = [note for track in file.tracks for note in _notes_of(track)]
    if not notes:
        raise MidiError("it has no notes")
    table = np.array(notes, np.float64)
    table[:, 1:] = _seconds(file, table[:, 1:])
    table = table[table[:, 2] > table[:, 1]]
    if not len(table):
        raise MidiError("it has no notes that last")
    if table[:, 2].max() > MAX_SECONDS:
        raise MidiError(f"it lasts {table[:, 2].max() / 3600:.4g} hours; at most {MAX_SECONDS / 3600:.0f} are read")
    return table


def write_midi(roll: NDArray[np.number], frame_seconds: float, lowest_pitch: int) -> bytes:
    """A MIDI file in which consecutive frames of a pitch are one note.

    Args:
        roll: (frames, pitches), not 0 where a pitch sounds.
        frame_seconds: length of a frame.
        lowest_pitch: MIDI number of the first pitch.

    Source: the tutorial's ``midiwrite``: 100 ticks a quarter, velocity 90, channel 0. If a frame is not a whole
    number of ticks, the tempo differs from 120 per minute, not the frame's length.
    """
    ticks = max(1, round(frame_seconds * TICKS_A_SECOND))
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=round(1e6 * frame_seconds * TICKS_A_QUARTER / ticks)))
    track.append(mido.Message("program_change", program=0))
    silence = np.zeros((1, roll.shape[1]), bool)
    changes = np.diff(np.concatenate([silence, roll != 0, silence]).astype(np.int8), axis=0)
    last = 0
    for frame, pitch in np.argwhere(changes).tolist():
        kind = "note_on" if changes[frame, pitch] > 0 else "note_off"
        wait, last = ticks * (frame - last), frame
        track.append(mido.Message(kind, note=lowest_pitch + pitch, velocity=VELOCITY, time=wait))
    file = mido.MidiFile(ticks_per_beat=TICKS_A_QUARTER)
    file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _parse(content: bytes) -> mido.MidiFile:
    try:
        file = mido.MidiFile(file=io.BytesIO(content))
    except Exception as error:  # mido raises many types for damaged files
        reason = " ".join([type(error).__name__, *str(error).split()])
        raise MidiError(f"it is no MIDI file, or damaged ({reason})") from error
    if file.type not in (0, 1):
        raise MidiError(f"it is of type {file.type}, whose tracks do not sound together; types 0 and 1 are read")
    if file.ticks_per_beat <= 0:
        raise MidiError("its time is in SMPTE frames, not in quarters")
    return file


def _notes_of(track: mido.MidiTrack) -> list[tuple[int, int, int]]:
    """MIDI number, first and last tick of each note that has an end."""
    notes = []
    starts: dict[tuple[int, int], list[int]] = defaultdict(list)
    tick = 0
    for message in track:
        tick += message.time
        if message.type == "note_on" and message.velocity:
            starts[message.channel, message.note].append(tick)
        elif message.type in ("note_on", "note_off") and starts[message.channel, message.note]:
            notes.append((message.note, starts[message.channel, message.note].pop(), tick))
    return notes


def _seconds(file: mido.MidiFile, ticks: Notes) -> Notes:
    """Ticks in seconds, by the tempos of all tracks."""
    changes = [(0, DEFAULT_TEMPO)]
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes.append((tick, message.tempo))
    changes.sort(key=lambda change: change[0])  # the last of several at one tick applies
    starts, tempos = np.array(changes, np.float64).T
    seconds_a_tick = tempos * 1e-6 / file.ticks_per_beat
    reached = np.concatenate([[0.0], np.cumsum(np.diff(starts) * seconds_a_tick[:-1])])
    index = np.searchsorted(starts, ticks, side="right") - 1
    return np.asarray(reached[index] + (ticks - starts[index]) * seconds_a_tick[index])
