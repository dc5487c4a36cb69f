"""Many MIDI files read at once, the bad ones among them told, and what was read kept in the user's cache."""

import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from dlpipe import DataError
from dlpipe.data import Kept, cache_directory, kept
from dlpipe_music.midi import MidiError, Notes, read_notes

log = logging.getLogger(__name__)
OnBadFile = Literal["stop", "skip"]
SUFFIXES = (".mid", ".midi")
FORMAT = 2  # of an entry of the cache; another one is not read
LARGEST_BYTES = 2**24


class ReadFiles(NamedTuple):
    """What came of MIDI files, by their names.

    Args:
        notes: of each that could be read, (notes, 3).
        bad: why each of the others could not.
    """

    notes: dict[str, Notes]
    bad: dict[str, str]


def read_files(contents: Mapping[str, Callable[[], bytes]]) -> ReadFiles:
    """Read MIDI files.

    Args:
        contents: of each name what gives the bytes of the file.
    """
    found = ReadFiles({}, {})
    for name, content in contents.items():
        try:
            found.notes[name] = read_notes(content())
        except (MidiError, OSError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
            found.bad[name] = str(error) or type(error).__name__
    return found


def read_once(digest: str, read: Callable[[], ReadFiles]) -> ReadFiles:
    """What ``read`` gives, from the user's cache where it has been read before.

    A damaged entry is made anew; where the cache cannot be written the files are read each time.

    Args:
        digest: of what is read, the name of the entry.
        read: reads it.
    """
    found = kept(cache_directory("music") / f"{digest}-{FORMAT}.npz", lambda: _as_kept(read()))
    names, bad = found.told
    parts = np.split(found.arrays["notes"], np.cumsum(found.arrays["counts"])[:-1])
    return ReadFiles(dict(zip(names, parts, strict=bool(names))), bad)


def _as_kept(found: ReadFiles) -> Kept:
    counts = np.array([len(notes) for notes in found.notes.values()], np.int64)
    notes = np.concatenate([np.zeros((0, 3)), *found.notes.values()])
    return Kept({"counts": counts, "notes": notes}, [list(found.notes), found.bad])


def good_ones(found: ReadFiles, where: Path, on_bad_file: OnBadFile) -> dict[str, Notes]:
    """The notes of the files that could be read; the others are told, and stop the run or are left out.

    Raises:
        DataError: there is none, or a bad one and it is to stop the run.
    """
    total = len(found.notes) + len(found.bad)
    if not total:
        raise DataError(f"{where} has no MIDI files (names that end in {' or '.join(SUFFIXES)})")
    reasons = "; ".join(f"{name}: {reason}" for name, reason in found.bad.items())
    if not found.notes:
        raise DataError(f"none of the {total} MIDI files in {where} can be read: {reasons}")
    if found.bad:
        count = f"{len(found.bad)} of {total} MIDI files in {where} cannot be read"
        if on_bad_file == "stop":
            raise DataError(f"{count}: {reasons}. Mend or remove them, or leave them out with dataset.on_bad_file=skip")
        log.warning("%s and are left out: %s", count, reasons)
    return found.notes


def is_midi(name: str) -> bool:
    """Whether a file's name is that of a MIDI file; not of what macOS puts beside one."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and "__MACOSX" not in path.parts
