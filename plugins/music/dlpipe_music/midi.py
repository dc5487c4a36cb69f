"""Reading the notes of a MIDI file, and writing a piano roll as one."""

import io
import itertools
import struct
from collections import defaultdict
from collections.abc import Iterator

import mido
import numpy as np
from numpy.typing import NDArray

Notes = NDArray[np.float64]
DEFAULT_TEMPO = 500_000  # microseconds per quarter, if a file sets none
TICKS_A_QUARTER, TICKS_A_SECOND = 100, 200  # of written files, at the default tempo
VELOCITY = 90
MAX_SECONDS = 24 * 3600.0
NOTE_OFF, NOTE_ON, META, TEMPO, END_OF_TRACK = 0x8, 0x9, 0xFF, 0x51, 0x2F

Event = tuple[int, int, bytes]  # tick, status, data; of a meta event the first byte of the data is its type


class MidiError(ValueError):
    """A MIDI file cannot be used."""


def read_notes(content: bytes) -> Notes:
    """One row per note, (notes, 3): MIDI number, start and end in seconds, ordered by end within each track.

    The tempo may change at any time, for all tracks. A note ends at the next note-off, or note-on of velocity 0, of its
    pitch and channel in its track; of several sounding notes the latest one ends first. Notes without an end or of
    length 0 are dropped. Everything else is skipped by its length, even if it breaks the standard, as players do: mido
    refuses a whole file for a controller value above 127.

    Args:
        content: bytes of a MIDI file of type 0 or 1, or of a file that wraps one, such as RIFF.

    Raises:
        MidiError: it is not such a file, is truncated, or has no notes.

    Source: the tutorial's ``midiread``, which read each track with the tempos of the tracks before it.
    """
    division, tracks = _parse(content)
    notes = [note for track in tracks for note in _notes_of(track)]
    if not notes:
        raise MidiError("it has no notes")
    table = np.array(notes, np.float64)
    table[:, 1:] = _seconds(division, tracks, table[:, 1:])
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


def _parse(content: bytes) -> tuple[int, list[list[Event]]]:
    """The header's division of time, and the events of each track."""
    try:
        start = content.index(b"MThd")
        size, kind, count, division = struct.unpack(">IHHh", content[start + 4 : start + 14])
        chunks = _tracks(content[start + 8 + size :], count)
        tracks = [list(_events(chunk)) for chunk in chunks]
    except (ValueError, struct.error, IndexError) as error:
        reason = "it ends early" if isinstance(error, (IndexError, struct.error)) else error
        raise MidiError(f"it is no MIDI file, or damaged ({reason})") from error
    if kind not in (0, 1):
        raise MidiError(f"it is of type {kind}, whose tracks do not sound together; types 0 and 1 are read")
    return division, tracks


def _tracks(content: bytes, count: int) -> list[bytes]:
    """The first ``count`` tracks; other chunks are skipped."""
    tracks: list[bytes] = []
    position = 0
    while len(tracks) < count:
        name, size = struct.unpack(">4sI", content[position : position + 8])
        position += 8 + size
        if position > len(content):
            raise ValueError(f"{len(tracks)} of {count} tracks are whole")
        if name == b"MTrk":
            tracks.append(content[position - size : position])
    return tracks


def _events(track: bytes) -> Iterator[Event]:
    position = tick = running = 0
    while position < len(track):
        wait, position = _number(track, position)
        tick += wait
        status = track[position] if track[position] >= 0x80 else running
        position += track[position] >= 0x80
        if not status:
            raise ValueError("an event has no status")
        running = status if status < 0xF0 else running
        data, position = _data(track, position, status)
        yield tick, status, data
        if status == META and data[0] == END_OF_TRACK:
            return


def _data(track: bytes, position: int, status: int) -> tuple[bytes, int]:
    """The data of an event, and the position after it."""
    first = b""
    if status == META:
        first, position = track[position : position + 1], position + 1
    if status in (0xF0, 0xF7, META):  # system exclusive
        size, position = _number(track, position)
    elif status >= 0xF0:
        size = {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(status, 0)
    else:
        size = 1 if status >> 4 in (0xC, 0xD) else 2
    end = position + size
    if end > len(track):
        raise IndexError
    return first + track[position:end], end


def _number(track: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the position after it."""
    number = 0
    while True:
        byte = track[position]
        number, position = number << 7 | byte & 0x7F, position + 1
        if byte < 0x80:
            return number, position


def _notes_of(track: list[Event]) -> list[tuple[int, int, int]]:
    """MIDI number, first and last tick of each note that has an end."""
    notes = []
    starts: dict[tuple[int, int], list[int]] = defaultdict(list)
    for tick, status, data in track:
        if status >> 4 not in (NOTE_OFF, NOTE_ON):
            continue
        pitch, velocity = data
        if pitch > 127:
            raise MidiError(f"it is damaged: it has the note {pitch}, and the highest is 127")
        sounding = starts[status & 0xF, pitch]
        if status >> 4 == NOTE_ON and velocity:
            sounding.append(tick)
        elif sounding:
            notes.append((pitch, sounding.pop(), tick))
    return notes


def _seconds(division: int, tracks: list[list[Event]], ticks: Notes) -> Notes:
    """Ticks in seconds: by the tempos of all tracks, or by a fixed number of frames a second (SMPTE)."""
    if not division & 0xFF and division <= 0:
        raise MidiError("it is damaged: its time has no ticks")
    if division < 0:
        frames = -(division >> 8)
        return ticks / ((division & 0xFF) * (30 / 1.001 if frames == 29 else frames))
    starts, tempos = np.array(_tempos(tracks), np.float64).T
    seconds_a_tick = tempos * 1e-6 / division
    reached = np.concatenate([[0.0], np.cumsum(np.diff(starts) * seconds_a_tick[:-1])])
    index = np.searchsorted(starts, ticks, side="right") - 1
    return np.asarray(reached[index] + (ticks - starts[index]) * seconds_a_tick[index])


def _tempos(tracks: list[list[Event]]) -> list[tuple[int, int]]:
    """Ticks and microseconds per quarter, in order; the last of several at one tick applies."""
    changes = [(0, DEFAULT_TEMPO)]
    for tick, status, data in itertools.chain(*tracks):
        if status == META and data[0] == TEMPO and len(data) == 4:
            changes.append((tick, int.from_bytes(data[1:], "big")))
    return sorted(changes, key=lambda change: change[0])
