"""Fixtures: a cache of the tests' own, the real archives, double precision, and MIDI files written by hand."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import mido
import pytest
import torch


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache that is empty, so that no test sees or changes the real one."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a run: several that wait for a busy core take a hundred times as long."""
    torch.set_num_threads(1)


@pytest.fixture
def double() -> Iterator[None]:
    """Tensors are of double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, of the test's own."""
    return torch.Generator().manual_seed(1234)


@pytest.fixture
def real_music() -> Path:
    """The folder of the real archives."""
    data = os.environ.get("DLPIPE_DATA")
    if not data or not (Path(data) / "music" / "Nottingham.zip").is_file():
        pytest.skip("needs the real music: set DLPIPE_DATA to the folder that has music/")
    return Path(data).absolute() / "music"


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
