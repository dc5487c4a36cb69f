"""Files that a dataset is read from: looked for, checked, downloaded where allowed."""

import functools
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from dlpipe.errors import DataError

DATA_VARIABLE = "DLPIPE_DATA"
TIMEOUT_SECONDS = 20
BLOCK = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file with a checksum and the mirrors it can be had from."""

    name: str
    sha256: str
    urls: tuple[str, ...]


def search_places(dataset: str, directory: str | None) -> list[Path]:
    """Where a dataset's files are looked for, in order.

    A directory that is given is the only place; else ``$DLPIPE_DATA/<dataset>``, then the user's cache.
    """
    if directory is not None:
        return [Path(directory).expanduser()]
    own = os.environ.get(DATA_VARIABLE)
    return ([Path(own).expanduser() / dataset] if own else []) + [cache_directory(dataset)]


def cache_directory(dataset: str) -> Path:
    """The folder in the user's cache that downloads of a dataset go to."""
    return user_cache_path("dlpipe") / dataset


def sha256_of(path: Path) -> str:
    """The checksum of a file's bytes, as hexadecimal digits; computed once a process while the file stays as it is."""
    at = path.stat()
    return _sha256_of(path, (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))


@functools.lru_cache(maxsize=64)
def _sha256_of(path: Path, state: tuple[int, ...]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check(path: Path, file: RemoteFile) -> None:
    """Compare a file with its checksum.

    Raises:
        DataError: they differ.
    """
    found = sha256_of(path)
    if found != file.sha256:
        raise DataError(
            f"{path} is damaged or another file: its sha256 is {found}, it should be {file.sha256}; "
            "remove it, and the next run takes a good copy"
        )


def download(file: RemoteFile, folder: Path) -> Path:
    """Fetch a file from the first mirror that has it, with a progress bar; atomic, checked by sha256.

    Raises:
        DataError: no mirror gave it.
    """
    import pooch

    failures = []
    for url in file.urls:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_SECONDS)
        try:
            return Path(pooch.retrieve(url, file.sha256, file.name, folder, downloader=downloader))
        except (OSError, ValueError) as error:  # requests raises OSErrors, pooch a ValueError for a wrong sum
            failures.append(f"{url}: {type(error).__name__}")
    raise DataError(f"{file.name} could not be downloaded ({'; '.join(failures) or 'no mirror is known'})")


def find(name: str, dataset: str, directory: str | None) -> Path | None:
    """The file of this name in the first of a dataset's places that has it."""
    return next((place / name for place in search_places(dataset, directory) if (place / name).is_file()), None)


def find_or_download(file: RemoteFile, dataset: str, directory: str | None, offline: bool) -> Path:
    """A file of a dataset that is one file: as found, whatever its checksum, else downloaded and checked.

    Args:
        file: its name, checksum and mirrors.
        dataset: the folder that it is looked for in, see `search_places`.
        directory: the only place, where it is given.
        offline: never download.

    Raises:
        DataError: it is not here and cannot be had.
    """
    found = find(file.name, dataset, directory)
    if found is not None:
        return found
    places = search_places(dataset, directory)
    other = (
        f"set {DATA_VARIABLE} to the folder that has {dataset}/"
        if directory is None
        else f"leave dataset.directory out to look in {DATA_VARIABLE} and the user's cache"
    )
    message = f"no {file.name} in {' or '.join(map(str, places))}. Put it there, or {other}."
    if offline:
        raise DataError(message)
    if directory is not None and not places[-1].is_dir():  # more likely misspelt than a wish to make it
        raise DataError(f"dataset.directory={directory} is no folder; {message}")
    try:
        return download(file, places[-1])
    except DataError as error:
        raise DataError(f"{message} {error}") from error
