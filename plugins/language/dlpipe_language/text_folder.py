"""A folder of your own texts: a folder for each class."""

import functools
import hashlib
import os
from pathlib import Path
from typing import Any, final

from dlpipe import DataError
from dlpipe.data import SplitName, sha256_of
from dlpipe_language.division import Place
from dlpipe_language.own_texts import OwnTexts
from dlpipe_language.split_files import SPLITS, own_path
from dlpipe_language.text_lines import OnBad, decode, numbered_lines
from dlpipe_language.tokenized import ReadTexts

MAX_BYTES = 2**20


@final
class TextFolder(OwnTexts):
    """A folder with a folder of ``.txt`` files for each class, or folders train, val and test with such folders.

    Args:
        directory: the folder.
        on_bad_file: whether a file that is empty, or no text in UTF-8, stops the run or is left out.
        options: as for `OwnTexts`.
    """

    unit = "texts"

    def __init__(self, *, directory: str | None = None, on_bad_file: OnBad = "stop", **options: Any) -> None:
        super().__init__(**options)
        self.directory = directory
        self.on_bad = ("on_bad_file", on_bad_file)

    def source(self) -> Path:
        """The folder."""
        if self.directory is None:
            raise DataError("dataset.directory says where the texts are: dataset.directory=/home/you/texts")
        return own_path("directory", self.directory)

    def digest(self) -> str:
        """sha256 over the names and checksums of all texts."""
        return self._digest

    def checksums(self) -> dict[str, str]:
        """sha256 over the names and checksums of all texts."""
        return {"text_folder": self.digest()}

    @staticmethod
    def texts_of(content: str) -> list[str]:
        """A file is one text."""
        return [content]

    def read(self) -> ReadTexts:
        """In the order of the names."""
        texts, bad = [], {}
        for place, path in self._files.items():
            try:
                texts.append((place, _text(path)))
            except (ValueError, OSError) as error:
                bad[place.name] = getattr(error, "strerror", None) or str(error)
        if empty := sorted({place.class_name for place in self._files} - {place.class_name for place, _ in texts}):
            reason = next(f"{name}: {bad[name]}" for _, class_name, name in self._files if class_name == empty[0])
            raise DataError(f"{self.source()} has no text of class {empty[0]!r} that can be used: {reason}")
        return ReadTexts(texts, bad)

    @functools.cached_property
    def _files(self) -> dict[Place, Path]:
        folder = self.source()
        found: dict[Place, Path] = {}
        others: list[Path] = []
        for split, class_folder in _class_folders(folder):
            names = sorted(name for name in os.listdir(class_folder) if not name.startswith("."))
            texts = [name for name in names if name.lower().endswith(".txt")]
            if not texts:
                raise DataError(f"{class_folder} has no .txt file")
            others += [class_folder / name for name in names if not name.lower().endswith(".txt")]
            place = class_folder.relative_to(folder).as_posix()
            found |= {Place(split, class_folder.name, f"{place}/{name}"): class_folder / name for name in texts}
        if others:
            self.notes.append(f"{len(others)} files or folders that are no .txt are not used, such as {others[0]}")
        return found

    @functools.cached_property
    def _digest(self) -> str:
        try:
            listing = "".join(f"{place.name}\0{sha256_of(path)}\n" for place, path in self._files.items())
        except OSError as error:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
        return hashlib.sha256(os.fsencode(listing)).hexdigest()  # a name may be in any encoding


def _class_folders(folder: Path) -> list[tuple[SplitName | None, Path]]:
    """The folders of the classes, with their splits if there is a folder train of such folders."""
    folders, train = _folders(folder), folder / "train"
    if not folders:
        raise DataError(f"{folder} has no folders: expected one for each class, with .txt files")
    if train not in folders or not _folders(train):
        return [(None, path) for path in folders]
    if other := [path.name for path in folders if path.name not in SPLITS]:
        raise DataError(f"{folder} has the folder {other[0]} beside train; expected train, val and test alone")
    found: list[tuple[SplitName | None, Path]] = []
    for split in folders:
        classes = _folders(split)
        if missing := sorted({path.name for path in _folders(train)} - {path.name for path in classes}):
            raise DataError(
                f"{split} has no folder {missing[0]}, which {train} has: add it, or move the other one away"
            )
        found += [(SPLITS[split.name], path) for path in classes]
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")


def _text(path: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: it is empty, too long or no text in UTF-8.
    """
    content = path.read_bytes()
    if not content:
        raise ValueError("it is empty (0 bytes)")
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has {len(content)} bytes; a text has at most {MAX_BYTES}")
    lines = []
    for number, line in numbered_lines(content):
        try:
            lines.append(decode(line))
        except ValueError as error:
            raise ValueError(f"line {number}, {error}") from error
    return "\n".join(lines)
