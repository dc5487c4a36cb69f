"""The pictures in a folder with a folder for each class."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlpipe import DataError
from dlpipe.data import SplitName
from dlpipe.did_you_mean import did_you_mean
from dlpipe_files.config_text import check_text, natural_order
from dlpipe_files.split_rows import split_rows

SPLIT_NAMES: dict[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}
SUFFIXES = frozenset(
    f".{name}"
    for name in "png jpg jpeg jpe jfif bmp gif tif tiff webp avif ppm pgm pbm pnm jp2 tga ico".split()  # noqa: SIM905
)
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")


class Picture(NamedTuple):
    """A picture file: its name, its label, and what changes when its content does."""

    name: str  # from the folder's root
    label: int
    version: tuple[int, int]  # bytes, time of the last write in nanoseconds


@dataclass(frozen=True)
class PictureFolder:
    """The classes and the pictures of each split, in an order that mixes the classes."""

    class_names: list[str]
    splits: dict[SplitName, list[Picture]]
    ignored: list[Path] = field(default_factory=list)  # files that are no pictures by their names, and other folders


def read_picture_folder(root: Path, fractions: Mapping[SplitName, float], seed: int) -> PictureFolder:
    """List a folder that has either a folder for each class, or train, val and test with one each.

    A split that has no folder is taken out of training, by class. The split, and the order, depend on the seed and the
    names of the files alone.

    Args:
        root: the folder.
        fractions: of val and test, where they have no folders.
        seed: of the split.

    Raises:
        DataError: the folder has another form, or a class has no pictures.
    """
    if not root.is_dir():
        siblings = [path.name for path in root.parent.iterdir()] if root.parent.is_dir() else []
        raise DataError(f"no directory {root}; {did_you_mean(root.name, siblings)}set dataset.directory")
    ignored: list[Path] = []
    folders = _split_folders(root, ignored) or {"train": root}
    class_names = _class_names(folders["train"], ignored)
    found = {split: _pictures(root, folder, class_names, ignored) for split, folder in folders.items()}
    missing = {split: fraction for split, fraction in fractions.items() if split not in found}
    rows = {split: _in_random_order(pictures, seed) for split, pictures in found.items()}
    if missing:
        train = rows.pop("train")
        labels = np.array([picture.label for picture in train])
        parts = split_rows(np.arange(len(train)), missing, labels, class_names)
        rows |= {split: [train[row] for row in numbers] for split, numbers in parts.items()}
    return PictureFolder(class_names, rows, ignored)


def _split_folders(root: Path, ignored: list[Path]) -> dict[SplitName, Path]:
    """The folders of the splits; empty if there is no folder ``train`` that has folders itself."""
    folders = {name: root / name for name in _entries(root)[0]}
    if "train" not in folders or not _entries(folders["train"])[0]:
        return {}
    found: dict[SplitName, Path] = {}
    for split, names in SPLIT_NAMES.items():
        present = [folders.pop(name) for name in names if name in folders]
        if len(present) > 1:
            raise DataError(f"{root} has {' and '.join(path.name for path in present)}; only one of them may be there")
        found |= {split: present[0]} if present else {}
    ignored += folders.values()
    return found


def _class_names(folder: Path, ignored: list[Path]) -> list[str]:
    """The names of the class folders: in order of their numbers if all are numbers, else of the alphabet."""
    folders, files = _entries(folder)
    pictures = [name for name in files if _is_picture(name)]
    if not folders:
        what = f"{len(pictures)} pictures and no class folders" if pictures else "no class folders"
        raise DataError(f"{folder} has {what}: put the pictures of each class into a folder with its name")
    ignored += [folder / name for name in files]
    for name in folders:
        check_text(name, f"the class folder {folder / name}")
    return natural_order(folders)


def _pictures(root: Path, folder: Path, class_names: list[str], ignored: list[Path]) -> list[Picture]:
    """The pictures of all class folders in a folder."""
    present = _entries(folder)[0]
    if unknown := [name for name in present if name not in class_names]:
        hint = did_you_mean(unknown[0], class_names)
        raise DataError(f"{folder} has the class {unknown[0]!r}, which train has not; {hint}rename it or add it there")
    pictures = []
    for label, name in enumerate(class_names):
        if name in present:
            pictures += _pictures_of_class(root, folder / name, label, ignored)
    if not pictures:
        raise DataError(f"{folder} has no class folders")
    return pictures


def _pictures_of_class(root: Path, folder: Path, label: int, ignored: list[Path]) -> list[Picture]:
    folders, files = _entries(folder)
    if folders:
        raise DataError(
            f"{folder} has the folder {folders[0]!r}; a class folder holds pictures alone: move them up, "
            f"or set dataset.directory={folder} if its folders are the classes"
        )
    names = [name for name in files if _is_picture(name)]
    ignored += [folder / name for name in files if not _is_picture(name)]
    if not names:
        others = f" ({len(files)} files with other suffixes)" if files else ""
        raise DataError(f"the class folder {folder} has no pictures{others}: add some, or remove the folder")
    inside = folder.relative_to(root).as_posix()
    return [Picture(f"{inside}/{name}", label, _version(f"{folder}/{name}")) for name in names]


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of folders and files, sorted, without hidden ones and those of file managers."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in SYSTEM_FILES:
                    continue
                (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        where = error.filename or folder
        raise DataError(f"{where} cannot be read: {error.strerror}") from error
    return sorted(folders), sorted(files)


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _version(path: str) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return stat.st_size, stat.st_mtime_ns


def _in_random_order(pictures: list[Picture], seed: int) -> list[Picture]:
    def key(picture: Picture) -> bytes:
        return hashlib.sha256(f"{seed}/{picture.name}".encode(errors="surrogateescape")).digest()

    return sorted(pictures, key=key)
