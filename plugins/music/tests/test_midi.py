"""MIDI: notes in seconds, of files made by hand; and what is written is read back."""

import numpy as np
import pytest

from dlpipe_music.midi import MidiError, read_notes, write_midi
from dlpipe_music.piano_roll import roll_of


def test_without_a_tempo_a_quarter_is_half_a_second(midi):
    assert read_notes(midi([(480, "on", 60), (960, "off", 60)])).tolist() == [[60, 0.5, 1.0]]


def test_a_tempo_changes_in_the_middle_of_a_note_and_for_all_tracks(midi):
    """Two quarters of 0.5 s, then of 1 s: tick 1440 is at 2 s."""
    conductor = [(0, "tempo", 500_000), (960, "tempo", 1_000_000)]
    notes = read_notes(midi(conductor, [(480, "on", 60), (1440, "off", 60), (1440, "on", 62), (1920, "off", 62)]))
    np.testing.assert_allclose(notes, [[60, 0.5, 2.0], [62, 2.0, 3.0]])


def test_a_note_at_tick_0_starts_at_0_seconds_whatever_tempos_follow(midi):
    conductor = [(0, "tempo", 1_000_000), (960, "tempo", 500_000)]
    notes = read_notes(midi(conductor, [(0, "on", 60), (960, "off", 60), (960, "on", 62), (1440, "off", 62)]))
    assert notes.tolist() == [[60, 0.0, 2.0], [62, 2.0, 2.5]]


def test_a_note_on_of_velocity_zero_ends_a_note(midi):
    assert read_notes(midi([(0, "on", 60), (480, "silent", 60)])).tolist() == [[60, 0.0, 0.5]]


def test_overlapping_notes_of_a_pitch_end_the_latest_begun_first(midi):
    notes = read_notes(midi([(0, "on", 60), (480, "on", 60), (960, "off", 60), (1440, "off", 60)]))
    assert notes.tolist() == [[60, 0.5, 1.0], [60, 0.0, 1.5]]


def test_notes_of_a_pitch_in_other_channels_and_tracks_end_by_themselves(midi):
    one = [(0, "on", 60, 0), (480, "on", 60, 1), (960, "off", 60, 0), (1440, "off", 60, 1)]
    other = [(0, "on", 60), (1920, "off", 60)]
    assert read_notes(midi(one, other)).tolist() == [[60, 0.0, 1.0], [60, 0.5, 1.5], [60, 0.0, 2.0]]


def test_notes_that_do_not_end_and_ends_of_no_note_are_left_out(midi):
    track = [(0, "off", 61), (0, "on", 60), (0, "on", 62), (480, "off", 62)]
    assert read_notes(midi(track)).tolist() == [[62, 0.0, 0.5]]


def with_event(content, event):
    """The file with an event at the beginning of its last track."""
    at = content.rindex(b"MTrk")
    size = int.from_bytes(content[at + 4 : at + 8], "big") + len(event)
    return content[: at + 4] + size.to_bytes(4, "big") + event + content[at + 8 :]


def with_chunk(content, chunk):
    return content[:14] + chunk + content[14:]


@pytest.mark.parametrize(
    "change",
    [
        lambda tune: with_event(tune, b"\0\xb0\x07\xff"),
        lambda tune: with_event(tune, b"\0\xc0\xff"),
        lambda tune: with_event(tune, b"\0\xff\x59\2\x13\5"),
        lambda tune: with_event(tune, b"\0\xff\x59\0"),
        lambda tune: with_event(tune, b"\0\xff\x51\1\0"),
        lambda tune: with_event(tune, b"\0\xff\x03\2\xe9\xff"),
        lambda tune: with_event(tune, b"\0\xff\x7a\0"),
        lambda tune: with_event(tune, b"\0\xf0\3\xff\x90\xf7"),
        lambda tune: with_event(tune, b"\0\xf8\0\xf2\1\1\0\xf3\1"),
        lambda tune: with_chunk(tune, b"XFIH\0\0\0\4abcd"),
        lambda tune: tune[:4] + b"\0\0\0\x08" + tune[8:14] + b"\0\0" + tune[14:],
        lambda tune: b"RIFF\x40\0\0\0RMIDdata\x34\0\0\0" + tune,
        lambda tune: bytes(128) + tune,
        lambda tune: tune + b"\0more",
    ],
    ids=[
        *("controller value", "program", "key of 19 sharps", "empty key", "short tempo", "name", "unknown meta event"),
        *("system exclusive", "system common", "unknown chunk", "long header", "RIFF", "MacBinary", "bytes after it"),
    ],
)
def test_what_is_not_about_notes_is_skipped_even_if_it_breaks_the_standard(tune, change):
    assert read_notes(change(tune)).tolist() == [[60, 0.0, 1.0]]


def test_a_file_is_read_as_mido_reads_it(midi):
    """Also with running status, which mido writes none of."""
    content = midi([(0, "tempo", 400_000)], [(5, "on", 60), (100, "on", 64, 3), (300, "off", 60), (960, "off", 64, 3)])
    notes = read_notes(content)
    np.testing.assert_allclose(notes, [[60, 5 / 1200, 300 / 1200], [64, 100 / 1200, 960 / 1200]])
    running = content.replace(b"\x80\x3c\x00", b"\x90\x3c\x00")
    np.testing.assert_allclose(read_notes(running), notes)
    running = with_event(midi([]), b"\0\x90\x3c\x40\x60\x3c\0\0\x40\x40\x60\x40\0")
    assert read_notes(running).tolist() == [[60, 0.0, 0.1], [64, 0.1, 0.2]]


@pytest.mark.parametrize(("frames", "a_second"), [(24, 24), (25, 25), (29, 30 / 1.001), (30, 30)])
def test_time_in_smpte_frames_is_read(midi, frames, a_second):
    content = midi([(0, "tempo", 9), (0, "on", 60), (100, "off", 60)])
    changed = content[:12] + bytes([256 - frames, 40]) + content[14:]
    np.testing.assert_allclose(read_notes(changed), [[60, 0, 100 / 40 / a_second]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda midi: midi([]), "no notes"),
        (lambda midi: midi([(0, "on", 60)]), "no notes"),
        (lambda midi: midi([(0, "on", 60), (0, "off", 60)]), "no notes that last"),
        (lambda midi: midi([(0, "on", 60), (9, "off", 60)], kind=2), "of type 2"),
        (lambda midi: midi([(0, "on", 60), (2**27, "off", 60)], ticks=1), "it lasts 1.864e.04 hours; at most 24"),
        (lambda midi: b"", "no MIDI file, or damaged"),
        (lambda midi: b"RIFF" + bytes(40), "no MIDI file, or damaged"),
        (lambda midi: midi([(0, "on", 60), (9, "off", 60)])[:-9], r"or damaged \(0 of 1 tracks are whole"),
        (lambda midi: midi([], [])[:-12], r"or damaged \(it ends early"),
        (lambda midi: with_event(midi([]), b"\0\x3c\x40"), r"or damaged \(an event has no status"),
        (lambda midi: with_event(midi([]), b"\0\x90\x80\x40"), "it has the note 128, and the highest is 127"),
        (lambda midi: midi([(0, "on", 60), (9, "off", 60)], ticks=0), "its time has no ticks"),
    ],
    ids=[
        *("empty", "unfinished", "no time", "type 2", "endless", "nothing", "another format", "cut short"),
        *("a track missing", "no status", "note 128", "no ticks"),
    ],
)
def test_a_bad_file_says_why(midi, content, message):
    with pytest.raises(MidiError, match=message):
        read_notes(content(midi))


def test_no_damage_of_a_byte_raises_anything_else(midi):
    good = midi([(0, "tempo", 500_000)], [(0, "on", 60), (480, "on", 64), (960, "off", 60), (960, "off", 64)])
    refused = 0
    for place in range(len(good)):
        for value in (0, 0x7F, 0x80, 0xFF):
            try:
                read_notes(good[:place] + bytes([value]) + good[place + 1 :])
            except MidiError:
                refused += 1
    assert refused > 100


@pytest.mark.parametrize("frame_seconds", [0.3, 0.25, 0.5, 0.125, 1 / 3])
def test_what_is_written_is_read_back(frame_seconds):
    roll = (np.random.default_rng(0).random((50, 88)) < 0.3).astype(np.uint8)
    roll[-1, 0] = 1  # else silence at the end is lost
    back = roll_of(read_notes(write_midi(roll, frame_seconds, 21)), frame_seconds)
    assert np.array_equal(back[:, 21:109], roll)
    assert not back[:, :21].any()


def test_frames_of_silence_are_a_file_without_notes():
    with pytest.raises(MidiError, match=r"no notes"):
        read_notes(write_midi(np.zeros((5, 88)), 0.3, 21))
