"""Reading many MIDI files, with their errors, through the user's cache."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import IO, Literal, NamedTuple

import numpy as np

from dlpipe import DataError
from dlpipe.data import READ_ERRORS, CacheEntry, cache_directory, cached
from dlpipe_music.midi import MidiError, Notes, read_notes

log = logging.getLogger(__name__)
OnBadFile = Literal["stop", "skip"]
SUFFIXES = (".mid", ".midi")
FORMAT = 3  # of the cache's files; others are ignored
MAX_BYTES = 2**24
MAX_NAMES = 5  # in a warning


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
        except (MidiError, DataError, *READ_ERRORS) as error:
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
        raise DataError(f"{source} has no MIDI files: none begins like one, or has a name in {', '.join(SUFFIXES)}")
    reasons = "; ".join(f"{name}: {reason}" for name, reason in files.bad.items())
    if not files.notes:
        raise DataError(f"none of the {total} MIDI files in {source} can be read: {reasons}")
    if files.bad:
        count = f"{len(files.bad)} of {total} MIDI files in {source} cannot be read"
        if on_bad_file == "stop":
            raise DataError(f"{count}: {reasons}. Mend or remove them, or leave them out with dataset.on_bad_file=skip")
        log.warning("%s and are left out: %s", count, reasons)
    return files.notes


def midi_names(openers: Mapping[str, Callable[[], IO[bytes]]], source: Path) -> list[str]:
    """The names of the MIDI files, known by their suffix or first bytes; warnings name those without the suffix.

    Args:
        openers: opens each file that there is, by its name.
        source: the folder or archive, for the warning.
    """
    names = [name for name in openers if not _is_companion(PurePath(name))]
    unusual = [name for name in names if PurePath(name).suffix.lower() not in SUFFIXES]
    by_content = [name for name in unusual if _begins_as_midi(openers[name])]
    left_out = [name for name in unusual if name not in by_content]
    for action, affected in (
        ("read as MIDI, as they begin so", by_content),
        ("left out, as they are no MIDI", left_out),
    ):
        if affected:
            more = ", ..." if len(affected) > MAX_NAMES else ""
            log.warning("%s: files %s: %s%s", source, action, ", ".join(affected[:MAX_NAMES]), more)
    return [name for name in names if name not in left_out]


def read_content(open_file: Callable[[], IO[bytes]]) -> bytes:
    """The bytes of a MIDI file.

    Raises:
        MidiError: it has more than `MAX_BYTES`.
    """
    with open_file() as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise MidiError(f"it has more than {MAX_BYTES} bytes")
    return content


def _is_companion(path: PurePath) -> bool:
    """Whether a file is hidden, or beside another as macOS writes it."""
    return path.name.startswith(".") or "__MACOSX" in path.parts


def _begins_as_midi(open_file: Callable[[], IO[bytes]]) -> bool:
    try:
        with open_file() as file:
            start = file.read(12)
    except (DataError, *READ_ERRORS):
        return False
    return start[:4] == b"MThd" or (start[:4] == b"RIFF" and start[8:] == b"RMID")
