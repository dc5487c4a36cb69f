"""Fixtures: MIDI files written by hand."""

import io
from collections.abc import Callable

import mido
import pytest


@pytest.fixture
def midi() -> Callable[..., bytes]:
    """A function from tracks to a MIDI file of 480 ticks a quarter.

    A track is a list of (tick, what, ...): ("on" or "off", pitch), ("tempo", microseconds a quarter), and may have a
    channel at the end.
    """

    def write(*tracks: list[tuple], kind: int = 1, ticks: int = 480) -> bytes:
        file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
        for events in tracks:
            track = mido.MidiTrack()
            last = 0
            for tick, what, value, *channel in events:
                wait, last = tick - last, tick
                if what == "tempo":
                    track.append(mido.MetaMessage("set_tempo", tempo=value, time=wait))
                else:
                    own = {"channel": channel[0]} if channel else {}
                    velocity = 64 if what == "on" else 0
                    kind_of = "note_off" if what == "off" else "note_on"
                    track.append(mido.Message(kind_of, note=value, velocity=velocity, time=wait, **own))
            file.tracks.append(track)
        buffer = io.BytesIO()
        file.save(file=buffer)
        return buffer.getvalue()

    return write


@pytest.fixture
def tune(midi) -> bytes:
    """A MIDI file of one note, from 0 to 1 second."""
    return midi([(0, "on", 60), (960, "off", 60)])
