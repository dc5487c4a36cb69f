"""Dataset files: searched for, checked against their sha256, and downloaded if allowed."""

import functools
import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlpipe.atomic import check_space, give_default_mode
from dlpipe.errors import DataError
from dlpipe.operating_system import expand_user, has_no_home, user_cache

DATA_VARIABLE = "DLPIPE_DATA"
TIMEOUT_SECONDS = 20
BLOCK = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web: its name, its checksum, and the URLs of its mirrors."""

    name: str
    sha256: str
    urls: tuple[str, ...]


def search_folders(dataset: str, directory: str | None) -> list[Path]:
    """The folders that are searched for a dataset's files, in order.

    Only ``directory`` if given; otherwise ``$DLPIPE_DATA/<dataset>``, then the user's cache.
    """
    if directory is not None:
        return [expand_user(directory)]
    data = os.environ.get(DATA_VARIABLE)
    return ([expand_user(data) / dataset] if data else []) + [cache_directory(dataset)]


def describe_folders(dataset: str, directory: str | None) -> str:
    """The folders that are searched for a dataset's files, for an error message."""
    return " or ".join(map(_describe, search_folders(dataset, directory)))


def _describe(folder: Path) -> str:
    return "the user's cache, for which HOME or XDG_CACHE_HOME must be set" if has_no_home(folder) else str(folder)


def cache_directory(dataset: str) -> Path:
    """The folder in the user's cache that a dataset is downloaded to.

    For a user without a home directory, a folder that cannot be created: `cached` then caches nothing.
    """
    return user_cache() / dataset


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hexadecimal digits; computed once per process unless the file changes."""
    stat = path.stat()
    return _sha256_of(path, (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


@functools.lru_cache(maxsize=64)
def _sha256_of(path: Path, stat: tuple[int, ...]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check(path: Path, file: RemoteFile) -> None:
    """Compare a file with its sha256.

    Raises:
        DataError: they differ.
    """
    actual = sha256_of(path)
    if actual != file.sha256:
        raise DataError(
            f"{path} is damaged or a different file: its sha256 is {actual}, expected {file.sha256}. "
            "Delete it; the next run downloads a good copy"
        )


def find_folder(names: Iterable[str], dataset: str, directory: str | None) -> Path | None:
    """The first of a dataset's folders that has all files with these names."""
    names = list(names)
    folders = search_folders(dataset, directory)
    return next((folder for folder in folders if all((folder / name).is_file() for name in names)), None)


def find(name: str, dataset: str, directory: str | None) -> Path | None:
    """The file with this name in the first of a dataset's folders that has it."""
    folder = find_folder([name], dataset, directory)
    return folder / name if folder else None


def find_or_download(file: RemoteFile, dataset: str, directory: str | None, offline: bool) -> Path:
    """The file of a dataset that is one file: a file that is found is not checked, a downloaded one is.

    Args:
        file: its name, checksum and mirrors.
        dataset: the name of the dataset's folder, see `search_folders`.
        directory: if given, the only folder to search.
        offline: whether downloading is forbidden.

    Raises:
        DataError: the file is not found and cannot be downloaded.
    """
    found = find(file.name, dataset, directory)
    if found is not None:
        return found
    folders = describe_folders(dataset, directory)
    advice = (
        f"set {DATA_VARIABLE} to the folder that has {dataset}/"
        if directory is None
        else f"leave out dataset.directory to search {DATA_VARIABLE} and the user's cache"
    )
    not_found = f"no {file.name} in {folders}. Put it there, or {advice}."
    return download_all([file], dataset, directory, offline, not_found) / file.name


def download_all(
    remote_files: Iterable[RemoteFile], dataset: str, directory: str | None, offline: bool, not_found: str
) -> Path:
    """Download files into ``directory``, or else into the user's cache, and return that folder.

    Args:
        remote_files: the files; those that the folder has already, with the right checksum, are not downloaded.
        dataset: the name of the dataset's folder, see `search_folders`.
        directory: if given, an existing folder.
        offline: whether downloading is forbidden.
        not_found: the error message if it is; other messages contain it too.

    Raises:
        DataError: downloading is forbidden, ``directory`` does not exist, the folder cannot be written to, or no
            mirror has one of the files.
    """
    folder = search_folders(dataset, directory)[-1]
    if offline or has_no_home(folder):
        raise DataError(not_found)
    if directory is not None and not folder.is_dir():  # probably misspelt
        raise DataError(f"dataset.directory={directory} is not a folder; {not_found}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_space(folder, 1)
        for file in remote_files:
            download(file, folder)
    except DataError as error:
        raise DataError(f"{not_found} {error}") from error
    except OSError as error:
        advice = f"; set XDG_CACHE_HOME to a folder that can be, or {DATA_VARIABLE} to one that has {dataset}/"
        message = f"{not_found} {folder} cannot be written to ({error.strerror})"
        raise DataError(message + (advice if directory is None else "")) from error
    return folder


def download(file: RemoteFile, folder: Path) -> Path:
    """Download a file from the first mirror that works, atomically, with a progress bar, and check its sha256.

    Raises:
        DataError: no mirror works.
    """
    import pooch

    failures = []
    for url in file.urls:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_SECONDS)
        try:
            path = Path(pooch.retrieve(url, file.sha256, file.name, folder, downloader=downloader))
            give_default_mode(path)
            return path
        except (OSError, ValueError) as error:  # requests raises OSErrors, pooch a ValueError for a wrong checksum
            failures.append(f"{url}: {type(error).__name__}")
    raise DataError(f"{file.name} could not be downloaded ({'; '.join(failures) or 'it has no known mirror'})")
