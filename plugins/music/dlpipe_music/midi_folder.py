"""A folder of your own MIDI files."""

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, final

import numpy as np

from dlpipe import DataError
from dlpipe.data import SplitName, open_content, sha256_of
from dlpipe_music.midi import Notes
from dlpipe_music.midi_archives import split_of
from dlpipe_music.midi_files import OnBadFile, midi_names, read_cached, read_content, read_files, usable_notes
from dlpipe_music.piano_roll import Roll, roll_of
from dlpipe_music.tunes import Tunes

MIN_FILES = 3  # a tune for each split


@final
class MidiFolder(Tunes):
    """The MIDI files of a folder and of all folders in it.

    Folders ``train``, ``valid`` and ``test`` define the splits. If no file is in one of them, a tenth of the files, at
    least one, is for validation and another tenth for the test, by a fixed permutation.

    Args:
        directory: the folder.
        on_bad_file: whether an unreadable file stops the run or is skipped.
        options: as for `Tunes`.
    """

    title = "a tune of the folder's test set"

    def __init__(self, *, directory: str | None = None, on_bad_file: OnBadFile = "stop", **options: Any) -> None:
        super().__init__(**options)
        self.directory = directory
        self.on_bad_file: OnBadFile = on_bad_file

    def prepare_data(self) -> None:
        """Parse the files unless they are cached.

        Raises:
            DataError: there is no such folder, no file in it can be read, or a bad one stops the run.
        """
        self._notes(self._files)

    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """Split by folder, or at random."""
        rolls: dict[SplitName, list[Roll]] = {"train": [], "val": [], "test": []}
        files = self._files
        notes = self._notes(files)
        for name, split in _splits(list(notes), len(files)).items():
            rolls[split].append(roll_of(notes[name], self.frame_seconds))
        return rolls

    def checksums(self) -> dict[str, str]:
        """sha256 over the names and checksums of all files."""
        return {"midi_folder": self._digest(self._files)}

    def _notes(self, files: dict[str, Path]) -> dict[str, Notes]:
        contents = {name: functools.partial(read_content, _opener(path)) for name, path in files.items()}
        parsed = read_cached(self._digest(files), lambda: read_files(contents))
        return usable_notes(parsed, self._folder(), self.on_bad_file)

    @functools.cached_property
    def _files(self) -> dict[str, Path]:
        folder = self._folder()
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        by_name = {path.relative_to(folder).as_posix(): path for path in paths}
        return {name: by_name[name] for name in midi_names({n: _opener(p) for n, p in by_name.items()}, folder)}

    def _folder(self) -> Path:
        if self.directory is None:
            raise DataError("dataset.directory says where the MIDI files are: dataset.directory=/home/you/tunes")
        folder = Path(os.path.expanduser(self.directory))  # pathlib's method fails without a home directory
        if not folder.is_dir():
            raise DataError(f"dataset.directory={self.directory} is no folder")
        return folder

    @staticmethod
    def _digest(files: dict[str, Path]) -> str:
        try:
            listing = "".join(f"{name}\0{sha256_of(path)}\n" for name, path in files.items())
        except OSError as error:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
        return hashlib.sha256(os.fsencode(listing)).hexdigest()  # a name may be in any encoding


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return functools.partial(open_content, path)


def _splits(names: list[str], count: int) -> dict[str, SplitName]:
    """The split of each readable file; ``count`` files were found."""
    by_folder = {name: split for name in names if (split := split_of(name))}
    if by_folder:
        if others := [name for name in names if name not in by_folder]:
            raise DataError(
                f"{others[0]} is in none of the folders train, valid and test, which others are in; move it"
            )
        return by_folder
    if len(names) < MIN_FILES:
        message = f"of the folder's {count} MIDI files {len(names)} can be read"
        raise DataError(f"{message}; at least {MIN_FILES} are needed: train, val and test")
    order = np.random.default_rng(0).permutation(len(names)).tolist()
    size = max(1, len(names) // 10)
    splits: dict[str, SplitName] = {names[i]: "val" for i in order[:size]}
    splits |= {names[i]: "test" for i in order[size : 2 * size]}
    return {name: splits.get(name, "train") for name in names}
