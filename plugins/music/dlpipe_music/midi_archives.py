"""Zip archives of MIDI files in folders train, valid and test."""

import functools
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, final

from dlpipe import DataError
from dlpipe.data import READ_ERRORS, RemoteFile, RemoteFileMixin, SplitName, sha256_of
from dlpipe_music.midi import Notes
from dlpipe_music.midi_files import (
    OnBadFile,
    ReadFiles,
    midi_names,
    read_cached,
    read_content,
    read_files,
    usable_notes,
)
from dlpipe_music.piano_roll import Roll, roll_of
from dlpipe_music.tunes import Tunes

FOLDERS: dict[str, SplitName] = {"train": "train", "valid": "val", "val": "val", "test": "test"}


class MidiArchive(RemoteFileMixin, Tunes):
    """MIDI files from a zip archive, which a subclass sets. They are parsed once and stored in the user's cache.

    A local archive may have any checksum, as others have repacked the same files; a downloaded one must be the
    authors'.

    Args:
        directory: where the archive is; by default ``$DLPIPE_DATA/music``, then the user's cache.
        offline: never download.
        on_bad_file: whether an unreadable file stops the run or is skipped.
        options: as for `Tunes`.
    """

    dataset_name = "music"

    def __init__(self, *, on_bad_file: OnBadFile = "stop", **options: Any) -> None:
        super().__init__(**options)
        self.on_bad_file: OnBadFile = on_bad_file

    def prepare_data(self) -> None:
        """Find the archive or download it, and parse its files unless they are cached.

        Raises:
            DataError: it is not here and cannot be downloaded, is damaged, or has a bad file that stops the run.
        """
        self._notes()

    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """Split by folder, in the order of the files' names."""
        rolls: dict[SplitName, list[Roll]] = {"train": [], "val": [], "test": []}
        for name, notes in self._notes().items():
            split = split_of(name)
            if split is None:
                raise DataError(f"{self.path()} has {name} in none of the folders {', '.join(FOLDERS)}")
            rolls[split].append(roll_of(notes, self.frame_seconds))
        return rolls

    def _notes(self) -> dict[str, Notes]:
        path = self.path()
        return usable_notes(_read(path), path, self.on_bad_file)


@final
class Nottingham(MidiArchive):
    """1,037 British and American folk tunes, melodies with chords: 694 train, 173 val, 170 test.

    Source: the Nottingham Music Database of Eric Foxley, in the split of Boulanger-Lewandowski et al. (2012).
    """

    title = "Nottingham, a tune of the test set"
    remote_file = RemoteFile(
        "Nottingham.zip",
        "fd4eb21b656002790cb8429c3482518876c48881ce58270f5296fe5aad50075f",
        (
            "http://www-etud.iro.umontreal.ca/~boulanni/Nottingham.zip",
            "https://web.archive.org/web/20190502175445id_/http://www-etud.iro.umontreal.ca/~boulanni/Nottingham.zip",
        ),
    )


@final
class PianoMidi(MidiArchive):
    """124 classical piano pieces with their changes of tempo: 87 train, 12 val, 25 test.

    Source: Piano-midi.de of Bernd Krueger, CC BY-SA 3.0 DE, in the split of Boulanger-Lewandowski et al. (2012).
    """

    title = "Piano-midi.de, a piece of the test set"
    remote_file = RemoteFile(
        "Piano-midi.de.zip",
        "631b148fd1022cb73d28684382446f1a36e1e7f0d131ed81121a999c9f23fed1",
        (
            "http://www-etud.iro.umontreal.ca/~boulanni/Piano-midi.de.zip",
            "https://raw.githubusercontent.com/yipstanley/dl_final/58b2eb02cb50076f003f7ca45b2622897d4d1661/Piano-midi.de.zip",
        ),
    )


def split_of(name: str) -> SplitName | None:
    """The split of a file in a folder train, valid or test; None for other files."""
    return next((FOLDERS[part] for part in PurePosixPath(name).parts[:-1] if part in FOLDERS), None)


def _read(path: Path) -> ReadFiles:
    return read_cached(sha256_of(path), lambda: _unpack(path))


def _unpack(path: Path) -> ReadFiles:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if not name.endswith("/"))
            openers = {name: functools.partial(archive.open, name) for name in members}
            names = midi_names(openers, path)
            return read_files({name: functools.partial(read_content, openers[name]) for name in names})
    except READ_ERRORS as error:
        raise DataError(f"{path} is damaged or no zip archive: {error}; remove it, and take a good copy") from error
