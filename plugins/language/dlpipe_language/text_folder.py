"""A folder of your own texts: a folder for each class."""

import functools
import hashlib
import logging
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

log = logging.getLogger(__name__)
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
        return ReadTexts(texts, bad)

    @functools.cached_property
    def _files(self) -> dict[Place, Path]:
        folder = self.source()
        return {
            Place(split, class_folder.name, path.relative_to(folder).as_posix()): path
            for split, class_folder in _class_folders(folder)
            for path in _text_files(class_folder)
        }

    @functools.cached_property
    def _digest(self) -> str:
        try:
            listing = "".join(f"{place.name}\0{sha256_of(path)}\n" for place, path in self._files.items())
        except OSError as error:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
        return hashlib.sha256(os.fsencode(listing)).hexdigest()  # a name may be in any encoding


def _class_folders(folder: Path) -> list[tuple[SplitName | None, Path]]:
    """The folders of the classes, with their splits if there are folders of these."""
    folders = _folders(folder)
    named = [path for path in folders if path.name in SPLITS]
    if not named:
        if not folders:
            raise DataError(f"{folder} has no folders: expected one for each class, with .txt files")
        return [(None, path) for path in folders]
    if other := [path.name for path in folders if path not in named]:
        raise DataError(
            f"{folder} has the folder {other[0]} beside {named[0].name}; expected train, val and test alone"
        )
    if not any(path.name == "train" for path in named):
        raise DataError(f"{folder} has no folder train beside {named[0].name}")
    found: list[tuple[SplitName | None, Path]] = [(SPLITS[path.name], own) for path in named for own in _folders(path)]
    train = {path.name for split, path in found if split == "train"}
    for split in named:
        if missing := sorted(train - {path.name for path in _folders(split)}):
            raise DataError(
                f"{split} has no folder {missing[0]}, which {folder / 'train'} has: add it, or move the other one away"
            )
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")


def _text_files(folder: Path) -> list[Path]:
    """The .txt files of a class; a warning counts others."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    texts = [path for path in paths if path.suffix.lower() == ".txt"]
    if not texts:
        raise DataError(f"{folder} has no .txt file")
    if len(texts) < len(paths):
        other = next(path.name for path in paths if path not in texts)
        log.warning("%s: %d files left out, as they are no .txt: %s, ...", folder, len(paths) - len(texts), other)
    return texts


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
