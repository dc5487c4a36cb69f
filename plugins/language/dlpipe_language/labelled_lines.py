"""Files of your own texts: a line for each text, its label before a tab."""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from dlpipe_language.division import Place
from dlpipe_language.own_texts import OwnTexts
from dlpipe_language.split_files import SplitFiles, checksums_of, source_of, split_files
from dlpipe_language.text_lines import OnBad, decode, numbered_lines, read_content
from dlpipe_language.tokenized import ReadTexts

SUFFIXES = (".tsv", ".txt")
FASTTEXT = "__label__"


@final
class LabelledLines(OwnTexts):
    """A file with a line ``label<TAB>text`` or, as fastText has it, ``__label__label text`` for each text.

    Args:
        file: the file, which is divided into train, val and test; or
        directory: a folder with files train, val and test (``.tsv`` or ``.txt``).
        on_bad_line: whether a line without label or text, or that is not UTF-8, stops the run or is left out.
        options: as for `OwnTexts`.
    """

    unit = "lines"

    def __init__(
        self, *, file: str | None = None, directory: str | None = None, on_bad_line: OnBad = "stop", **options: Any
    ) -> None:
        super().__init__(**options)
        self.file = file
        self.directory = directory
        self.on_bad = ("on_bad_line", on_bad_line)

    def source(self) -> Path:
        """The file, or the folder with the files."""
        return source_of(self._files)

    def digest(self) -> str:
        """sha256 over the files' names and checksums."""
        return hashlib.sha256(json.dumps(self.checksums()).encode()).hexdigest()

    def checksums(self) -> dict[str, str]:
        """File name to sha256."""
        return checksums_of(self._files)

    def texts_of(self, content: str) -> list[str]:
        """A text a line, with or without its label."""
        return [_without_label(line, self.class_names) for line in content.removesuffix("\n").split("\n")]

    def read(self) -> ReadTexts:
        """In the order of the lines; empty ones are left out."""
        texts, bad = [], {}
        for split, path in self._files.items():
            prefix = f"{path.name} " if split else ""
            for number, line in numbered_lines(read_content(path)):
                name = f"{prefix}line {number}"
                try:
                    if line.strip():
                        label, text = _label_and_text(decode(line))
                        texts.append((Place(split, label, name), text))
                except ValueError as error:
                    bad[name] = str(error)
        return ReadTexts(texts, bad)

    @functools.cached_property
    def _files(self) -> SplitFiles:
        return split_files(self.file, self.directory, SUFFIXES)


def _label_and_text(line: str) -> tuple[str, str]:
    """The parts of a line.

    Raises:
        ValueError: one is missing, or there are two labels.
    """
    label, tab, text = line.partition("\t")
    if line.startswith(FASTTEXT):
        label, tab, text = line.removeprefix(FASTTEXT).partition("\t" if tab and " " not in label else " ")
    if not tab:
        raise ValueError("has no tab between label and text")
    label, text = label.strip(), text.strip()
    if not label or not text:
        raise ValueError(f"has no {'text' if label else 'label'}")
    if text.startswith(FASTTEXT):
        raise ValueError("has two labels; a text has one class")
    return label, text


def _without_label(line: str, class_names: Sequence[str]) -> str:
    try:
        label, text = _label_and_text(line)
    except ValueError:
        return line
    return text if label in class_names else line
