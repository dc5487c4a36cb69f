"""Where your own files are: one file, or a folder with files named train, val and test."""

from collections.abc import Sequence
from pathlib import Path

from dlpipe import DataError
from dlpipe.data import SplitName, sha256_of

# names of files and folders
SPLITS: dict[str, SplitName] = {
    "train": "train",
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    "test": "test",
}
SplitFiles = dict[SplitName | None, Path]


def own_path(option: str, value: str) -> Path:
    """A path that exists: of a folder for ``directory``, of a file for ``file``.

    Raises:
        DataError: it does not.
    """
    path = Path(value)
    if not (path.is_dir() if option == "directory" else path.is_file()):
        raise DataError(f"dataset.{option}={value} is no {'folder' if option == 'directory' else 'file'}")
    return path


def split_files(file: str | None, directory: str | None, suffixes: Sequence[str]) -> SplitFiles:
    """The files of the splits, compressed or not; a single file has the split None.

    Args:
        file: the single file, or
        directory: the folder with files train, val and test, of which all but train may be missing.
        suffixes: of the files in the folder, such as ``.txt``.

    Raises:
        DataError: not one of both is given, it does not exist, or the folder has no train or two files for a split.
    """
    if (file is None) == (directory is None):
        given = "both are given" if file is not None else "neither is given"
        raise DataError(f"set dataset.file=FILE, or dataset.directory=DIR with files train, val and test; {given}")
    if file is not None:
        return {None: own_path("file", file)}
    assert directory is not None
    folder = own_path("directory", directory)
    files: SplitFiles = {}
    for path in sorted(folder.iterdir()):
        stem, *endings = path.name.lower().split(".")
        if stem in SPLITS and f".{''.join(endings[:1])}" in suffixes:
            if other := files.get(SPLITS[stem]):
                raise DataError(f"{folder} has {other.name} and {path.name} for {SPLITS[stem]}; move one away")
            files[SPLITS[stem]] = path
    if "train" not in files:
        raise DataError(f"{folder} has no file {' or '.join(f'train{suffix}' for suffix in suffixes)}")
    return files


def checksums_of(files: SplitFiles) -> dict[str, str]:
    """File name to sha256.

    Raises:
        DataError: a file cannot be read.
    """
    try:
        return {path.name: sha256_of(path) for path in files.values()}
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error


def source_of(files: SplitFiles) -> Path:
    """The single file, or the folder with the files, for messages."""
    path = next(iter(files.values()))
    return path if None in files else path.parent
