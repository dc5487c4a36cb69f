"""Reading many MIDI files, with their errors, through the user's cache."""

import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from dlpipe import DataError
from dlpipe.data import CacheEntry, cache_directory, cached
from dlpipe_music.midi import MidiError, Notes, read_notes

log = logging.getLogger(__name__)
OnBadFile = Literal["stop", "skip"]
SUFFIXES = (".mid", ".midi")
FORMAT = 2  # of the cache's files; others are ignored
MAX_BYTES = 2**24


class ReadFiles(NamedTuple):
    """The contents of MIDI files by name.

    Args:
        notes: (notes, 3) of each readable file.
        bad: the error of each of the others.
    """

    notes: dict[str, Notes]
    bad: dict[str, str]


def read_files(contents: Mapping[str, Callable[[], bytes]]) -> ReadFiles:
    """Read MIDI files.

    Args:
        contents: for each name a function that returns the file's bytes.
    """
    files = ReadFiles({}, {})
    for name, content in contents.items():
        try:
            files.notes[name] = read_notes(content())
        except (MidiError, OSError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
            files.bad[name] = str(error) or type(error).__name__
    return files


def read_cached(digest: str, read: Callable[[], ReadFiles]) -> ReadFiles:
    """The result of ``read``, from the user's cache if it has been read before.

    A damaged cache file is replaced; if the cache cannot be written, the files are read each time.

    Args:
        digest: identifies the files, and names the cache file.
        read: reads the files.
    """
    stored = cached(cache_directory("music") / f"{digest}-{FORMAT}.npz", lambda: _to_cache(read()))
    names, bad = stored.metadata
    parts = np.split(stored.arrays["notes"], np.cumsum(stored.arrays["counts"])[:-1])
    return ReadFiles(dict(zip(names, parts, strict=bool(names))), bad)


def _to_cache(files: ReadFiles) -> CacheEntry:
    counts = np.array([len(notes) for notes in files.notes.values()], np.int64)
    notes = np.concatenate([np.zeros((0, 3)), *files.notes.values()])
    return CacheEntry({"counts": counts, "notes": notes}, [list(files.notes), files.bad])


def usable_notes(files: ReadFiles, source: Path, on_bad_file: OnBadFile) -> dict[str, Notes]:
    """The notes of the readable files; bad files are an error, or are skipped with a warning.

    Raises:
        DataError: there are no readable files, or bad ones and ``on_bad_file`` is ``stop``.
    """
    total = len(files.notes) + len(files.bad)
    if not total:
        raise DataError(f"{source} has no MIDI files (names that end in {' or '.join(SUFFIXES)})")
    reasons = "; ".join(f"{name}: {reason}" for name, reason in files.bad.items())
    if not files.notes:
        raise DataError(f"none of the {total} MIDI files in {source} can be read: {reasons}")
    if files.bad:
        count = f"{len(files.bad)} of {total} MIDI files in {source} cannot be read"
        if on_bad_file == "stop":
            raise DataError(f"{count}: {reasons}. Mend or remove them, or leave them out with dataset.on_bad_file=skip")
        log.warning("%s and are left out: %s", count, reasons)
    return files.notes


def is_midi(name: str) -> bool:
    """Whether a name is a MIDI file's; macOS's companion files are not."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and "__MACOSX" not in path.parts
