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
